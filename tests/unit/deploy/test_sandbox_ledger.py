"""The sandbox's limits: what is bounded forgets or refuses, and never miscounts."""

import pytest

from deploy.sandbox import ledger as module
from deploy.sandbox.ledger import Ledger, LedgerFull
from deploy.sandbox.wire import Seen


def seen(number: int, body: bytes = b"{}", sha256: str = "") -> Seen:
    return Seen(number, 0.0, "POST", "/x/", "", {}, body, sha256 or f"{number:064d}", {})


def apply(ledger: Ledger, number: int) -> None:
    ledger.apply(("p", "settle", f"r-{number}"), seen(number), invoice_code="i", amount="1.00", currency="MNT")


def test_the_request_log_forgets_its_oldest_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOGGED_REQUESTS", 3)
    ledger = Ledger()
    for number in range(5):
        ledger.saw("p", "settle", f"r-{number}", seen(number), secret=False)
    assert [row["number"] for row in ledger.log()] == [2, 3, 4]


def test_the_request_log_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOGGED_BYTES", 100)
    ledger = Ledger()
    for number in range(5):
        ledger.saw("p", "settle", f"r-{number}", seen(number, b"x" * 40), secret=False)
    assert [row["number"] for row in ledger.log()] == [3, 4]


def test_a_full_ledger_applies_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_APPLIED", 2)
    ledger = Ledger()
    apply(ledger, 1)
    apply(ledger, 2)
    with pytest.raises(LedgerFull):
        apply(ledger, 3)
    assert len(list(ledger.applied())) == 2


def test_too_many_references_stop_the_ledger_rather_than_being_miscounted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RECORDS", 2)
    ledger = Ledger()
    for number in range(4):
        ledger.saw("p", "settle", f"r-{number}", seen(number), secret=False)
    assert len(list(ledger.by_reference())) == 2
    with pytest.raises(LedgerFull):
        apply(ledger, 9)


def test_distinct_bodies_of_a_reference_are_kept_once_each_and_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DIGESTS", 2)
    ledger = Ledger()
    for sha256 in ("a", "a", "b", "c"):
        ledger.saw("p", "settle", "r", seen(1, sha256=sha256), secret=False)
    [(reference, operations)] = ledger.by_reference()
    assert reference == "r"
    assert operations["settle"] == {"applied": 0, "requests": 4, "sha256": ["a", "b"], "amount": None}


def test_a_reset_leaves_a_stream_that_is_under_way_its_rows() -> None:
    ledger = Ledger()
    apply(ledger, 1)
    apply(ledger, 2)
    rows = ledger.applied()
    assert next(rows)["reference"] == "r-1"
    ledger.reset()
    assert next(rows)["reference"] == "r-2"
    assert list(ledger.applied()) == []
