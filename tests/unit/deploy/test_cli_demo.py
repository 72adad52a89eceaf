"""The demo's verdict must be able to be bad: each way in which the books can disagree is found."""

from typing import Any

import pytest

from deploy.cli.demo.comparison import Comparison, compare
from deploy.cli.demo.intents import COUNT, intents
from deploy.cli.following import subject_of


def _row(**changes: Any) -> dict[str, Any]:
    row = {"source": "s", "intent_id": "i", "operation": "settle", "amount": "5.00", "state": "succeeded"}
    return row | {"sent_reference": "r", "refund_of": None} | changes


def _applied(times: int, amount: str = "5.00", operation: str = "settle", reference: str = "r") -> dict[str, Any]:
    return {reference: {operation: {"applied": times, "amount": amount}}}


def _bad(found: Comparison) -> dict[str, list[str]]:
    names = ("lost", "twice", "failed_but_applied", "wrong_amount", "unknown")
    return {name: getattr(found, name) for name in names if getattr(found, name)}


def test_books_that_agree() -> None:
    refund = _row(intent_id="back", operation="refund", refund_of="i", sent_reference="r2")
    ledger = {"r": {"settle": _applied(1)["r"]["settle"], "refund": {"applied": 1, "amount": "5.00"}}}
    found = compare([_row(), refund, _row(intent_id="p", state="parked", sent_reference="r3")], ledger)
    assert found.agrees
    assert found.rows == [("parked", 1, 0), ("succeeded", 2, 2)]


@pytest.mark.parametrize(
    ("row", "ledger", "found"),
    [
        (_row(), {}, {"lost": ["s/i"]}),
        (_row(), _applied(2), {"twice": ["s/i"]}),
        (_row(state="parked"), _applied(2), {"twice": ["s/i"]}),
        (_row(state="refused"), _applied(1), {"failed_but_applied": ["s/i"]}),
        (_row(), _applied(1, "6.00"), {"wrong_amount": ["s/i"]}),
        (_row(), _applied(1) | _applied(1, reference="other"), {"unknown": ["settle other"]}),
    ],
)
def test_books_that_disagree(row: dict[str, Any], ledger: dict[str, Any], found: dict[str, list[str]]) -> None:
    comparison = compare([row], ledger)
    assert not comparison.agrees
    assert _bad(comparison) == found


def test_the_sample_has_what_it_promises_and_names_each_payment_once() -> None:
    lines = intents(7)
    assert len(lines) == COUNT == 500
    assert len(set(lines)) < COUNT  # some are repeated
    readable = [subject_of(line) for line in set(lines)]
    assert readable.count("demo/demo-0000") == 2  # the conflict
    assert readable.count(None) >= 4
