"""The limits of the sandbox's ubill: what is full applies nothing more, and says so to the ledger's reader."""

import hashlib
import json
from typing import Any

import pytest

from deploy.sandbox.ledger import Ledger, LedgerFull
from deploy.sandbox.ubill import Ubill, sms, state
from deploy.sandbox.wire import Seen


def seen(body: dict[str, Any]) -> Seen:
    raw = json.dumps(body).encode()
    return Seen(1, 0.0, "POST", "/v1/x", "", {"key": "sandbox"}, raw, hashlib.sha256(raw).hexdigest(), body)


def test_no_more_payments_are_applied_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MAX_PAYMENTS", 2)
    ledger = Ledger()
    ubill = Ubill(ledger)
    payment = seen({"accountID": 1, "sum": 1, "comment": "m1"})
    assert [ubill.apply("settle", payment).status for _ in range(2)] == [200, 200]
    with pytest.raises(LedgerFull):
        ubill.apply("settle", payment)
    with pytest.raises(ValueError, match="reset"):
        ubill.control("pay", {"account_id": 1, "amount": "1.00"})
    assert len(list(ledger.applied())) == 2


def test_no_more_accounts_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MAX_ACCOUNTS", 1)
    ledger = Ledger()
    ubill = Ubill(ledger)
    assert ubill.apply("settle", seen({"accountID": 1, "sum": 1})).status == 200
    with pytest.raises(LedgerFull):
        ubill.apply("settle", seen({"accountID": 2, "sum": 1}))
    with pytest.raises(LedgerFull):
        ubill.apply("set_credit", seen({"accountID": 2, "date": "2027-01-31"}))
    assert ubill.apply("settle", seen({"accountID": 1, "sum": 1})).status == 200
    assert len(list(ledger.applied())) == 2


def test_no_more_messages_are_sent_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sms, "MAX_NUMBERS", 3)
    ledger = Ledger()
    ubill = Ubill(ledger)
    message = seen({"brandID": 1, "numbers": [995500000001, 995500000002], "text": "made up"})
    assert ubill.apply("sms_send", message).status == 200
    with pytest.raises(LedgerFull):
        ubill.apply("sms_send", message)
    assert len(list(ledger.applied())) == 1
