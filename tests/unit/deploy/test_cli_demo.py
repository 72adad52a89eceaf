"""The demo's verdict must be able to be bad: each way in which the books can disagree is found."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from deploy.cli.demo import picture, weather
from deploy.cli.demo.comparison import Comparison, Ledger, compare
from deploy.cli.demo.intents import COUNT, intents
from deploy.cli.submit_wait import Followed, subject_of
from shared.domain.intent import BadIntent, parse_intent
from shared.providers.registry import REGISTRATIONS
from shared.settings import PREFIX, load_settings

PAYING = {name for name, registration in REGISTRATIONS.items() if registration.operations}
TARGETS = {name: registration.target for name, registration in REGISTRATIONS.items()}


def _row(**changes: Any) -> dict[str, Any]:
    row = {"source": "s", "intent_id": "i", "operation": "settle", "amount": "5.00", "state": "succeeded"}
    return row | {"provider": "acme", "sent_reference": "r", "refund_of": None} | changes


Entries = dict[tuple[str, str, str], Sequence[str]]


def _applied(*amounts: str, provider: str = "acme", operation: str = "settle", reference: str = "r") -> Entries:
    return {(provider, operation, reference): amounts}


def _bad(found: Comparison) -> dict[str, list[str]]:
    names = ("lost", "twice", "failed_but_applied", "wrong_amount", "unknown")
    return {name: getattr(found, name) for name in names if getattr(found, name)}


def test_books_that_agree() -> None:
    refund = _row(intent_id="back", operation="refund", refund_of="i", sent_reference="r2")
    same_reference = _row(intent_id="other", provider="other")
    parked = _row(intent_id="p", state="parked", sent_reference="r3")
    ledger = {
        **_applied("5.00"),
        **_applied("5.00", operation="refund"),
        **_applied("5.00", provider="other"),
    }
    found = compare([_row(), refund, parked, same_reference], ledger)
    assert found.agrees
    assert {name: (lane.states, lane.applied) for name, lane in found.lanes.items()} == {
        "acme": (Counter(succeeded=2, parked=1), 2),
        "other": (Counter(succeeded=1), 1),
    }


@pytest.mark.parametrize(
    ("row", "ledger", "found"),
    [
        (_row(), {}, {"lost": ["s/i"]}),
        (_row(), _applied("5.00", "5.00"), {"twice": ["s/i"]}),
        (_row(state="parked"), _applied("5.00", "5.00"), {"twice": ["s/i"]}),
        (_row(state="refused"), _applied("5.00"), {"failed_but_applied": ["s/i"]}),
        (_row(), _applied("6.00"), {"wrong_amount": ["s/i"]}),
        (_row(), _applied("5.00", "6.00"), {"twice": ["s/i"], "wrong_amount": ["s/i"]}),
        (_row(), _applied("5.00") | _applied("5.00", reference="r2"), {"unknown": ["acme settle r2"]}),
        (_row(), _applied("5.00", provider="other"), {"lost": ["s/i"], "unknown": ["other settle r"]}),
    ],
)
def test_books_that_disagree(row: dict[str, Any], ledger: Ledger, found: dict[str, list[str]]) -> None:
    comparison = compare([row], ledger)
    assert not comparison.agrees
    assert _bad(comparison) == found
    lane = comparison.lanes["acme"]
    assert (lane.twice, lane.lost) == (len(found.get("twice", ())), len(found.get("lost", ())))


def test_the_sample_has_what_it_promises_and_names_each_payment_once() -> None:
    lines = intents(7)
    assert len(lines) == COUNT == 600
    assert len(set(lines)) < COUNT  # some are repeated
    readable = [subject_of(line) for line in set(lines)]
    assert readable.count("demo/demo-billcenter-000") == 2  # the conflict
    assert readable.count(None) >= 4


def test_the_sample_is_the_same_for_the_same_seed() -> None:
    def content(seed: int) -> list[object]:
        return [
            dict(intent, paid_at=None) if isinstance(intent := _loaded(line), dict) else line for line in intents(seed)
        ]

    assert content(3) == content(3)
    assert content(3) != content(4)


def test_every_provider_has_intents_and_every_one_that_takes_payments_has_many_and_fails() -> None:
    taken: Counter[str] = Counter()
    for line in set(intents(7)):
        try:
            taken[parse_intent(line, TARGETS).provider] += 1
        except BadIntent:
            continue
    assert taken.keys() == REGISTRATIONS.keys()
    assert {name for name, count in taken.items() if count >= 100} == PAYING == weather.FAULTS.keys()


def test_about_a_third_of_the_requests_fails() -> None:
    for operations in weather.FAULTS.values():
        for rates in operations.values():
            spared = math.prod(1 - rate for rate in rates.values())
            assert 0.28 < 1 - spared < 0.38


def test_what_is_applied_late_comes_within_every_settle_window(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in weather.QUICK.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)
    settings = load_settings()
    assert all(weather.LATE_S < settings.provider(name).settle_window_s < 10 for name in PAYING)


def test_the_result_fits_the_screen_and_names_what_must_not_be(capsys: pytest.CaptureFixture[str]) -> None:
    states = ("succeeded", "refused", "parked")
    rows = [_row(provider="invoicepayment", intent_id=state, state=state, sent_reference=state) for state in states]
    picture.result(compare(rows, _applied("5.00", "5.00")), Followed(), {"invoicepayment": 100})
    shown = capsys.readouterr().out
    (lane,) = [line.split() for line in shown.splitlines() if line.strip().startswith("invoicepayment")]
    assert lane == ["invoicepayment", "1", "1", "1", "0", "0", "1", "100"]
    assert "s/succeeded" in shown
    assert "acme settle r" in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80


def _loaded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
