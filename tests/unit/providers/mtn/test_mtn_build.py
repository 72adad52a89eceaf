"""mtn's requests: the bytes, the path, what is refused before anything is sent."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from shared.domain.payment import Operation, Payment
from shared.domain.request import Request
from shared.providers.mtn import REGISTRATION
from shared.providers.mtn.bodies import Target
from shared.providers.registry import connect
from shared.settings import Settings
from shared.settings.sections import MtnSettings
from tests.support.memory import MTN_SETTLE, MemoryDirectory, MemoryTokens

BANK = {"branchCode": "001", "paymentMode": "EFT"}
METHODS: list[dict[str, Any]] = [
    {},
    {"name": "made up", "description": "made up", "type": "Bank", "details": {"bank": BANK}},
    {"type": "Bank", "details": {"bank": {**BANK, "bankName": "Made-Up Bank", "bankCode": "9"}}},
    {"type": "Cash", "details": {"cash": {"centerCode": "C1", "centerName": "Made-Up Shop"}}},
    {"type": "ATM", "details": {"atm": {"atmCode": "A1", "bankName": "Made-Up Bank", "branchCode": "001"}}},
    {"type": "Cheque", "details": {"cheque": {"chequeNumber": "1", "issueDate": "2026-11-01", "accountNumber": "2"}}},
    {"type": "BankCard", "details": {"bankCard": {"brand": "Made-Up", "lastFourDigits": "0000"}}},
    {"type": "BankCard", "details": {"bankCard": {"expirationDate": "10/2030", "nameOnCard": "A Customer"}}},
    {"type": "TokenizedCard", "details": {"tokenizedCard": {"token": "made-up", "tokenType": "emv", "issuer": "x"}}},
]


def build(payment: Payment = MTN_SETTLE, **target: Any) -> Request:
    section = MtnSettings.model_validate({"base_url": "http://127.0.0.1:1/v1", "api_key": "made-up-key"})
    provider = connect("mtn", Settings(mtn=section), MemoryTokens()).provider
    assert provider is not None
    built = provider.build(replace(payment, target={**payment.target, **target}), MemoryDirectory())
    assert isinstance(built, Request)
    return built


def test_a_settle_is_these_very_bytes() -> None:
    """Trap: a payment must have a referenceId and defines none (it sits in paymentRef[]): it stands in both."""
    built = build()
    assert (built.path, built.exclusive_key, built.books_key) == ("/customerBill/700001", None, "mtn:2:700001")
    assert built.body == (
        b'{"idType":"Account Number","id":"700001","totalPaidAmount":{"amount":"100.00","unit":"ZAR"},"payment":['
        b'{"referenceId":"bhh3qve5w26w3jsedefr","paymentRef":[{"referenceId":"bhh3qve5w26w3jsedefr",'
        b'"referenceType":"PaymentRef","referenceName":"settlepipe"}],"transactionDate":"2026-11-21",'
        b'"paidAmount":{"amount":"100.00","unit":"ZAR"}}]}'
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_bill_number_and_a_payment_method_are_passed_on_as_they_are(method: dict[str, Any]) -> None:
    (payment,) = json.loads(build(bill_number="B/7", payment_method=method).body)["payment"]
    assert (payment["billNumber"], payment["paymentMethod"]) == ("B/7", method)


def test_the_total_is_the_sum_over_the_payments() -> None:
    body = json.loads(build(replace(MTN_SETTLE, amount_minor=123_456)).body)
    total = sum(Decimal(payment["paidAmount"]["amount"]) for payment in body["payment"])
    assert str(total) == body["totalPaidAmount"]["amount"] == "1234.56"


@pytest.mark.parametrize(("currency", "expected"), [("ZAR", "1234.56"), ("UGX", "123456"), ("TND", "123.456")])
def test_money_is_text_with_the_places_of_the_payments_own_currency(currency: str, expected: str) -> None:
    assert REGISTRATION.currency is None
    body = json.loads(build(replace(MTN_SETTLE, amount_minor=123_456, currency=currency)).body)
    assert body["totalPaidAmount"] == {"amount": expected, "unit": currency}


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 2, 23, 59, 59, 999_999, UTC), "2026-01-02"),
        (datetime(2026, 1, 2, 1, 0, tzinfo=timezone(timedelta(hours=2))), "2026-01-01"),
    ],
)
def test_the_transaction_date_is_the_day_in_utc(moment: datetime, expected: str) -> None:
    (payment,) = json.loads(build(replace(MTN_SETTLE, paid_at=moment)).body)["payment"]
    assert payment["transactionDate"] == expected


@pytest.mark.parametrize(
    ("number", "path"),
    [("INV/7 ?#%", "/customerBill/INV%2F7%20%3F%23%25"), ("...", "/customerBill/..."), ("é", "/customerBill/%C3%A9")],
)
def test_an_id_stays_one_part_of_the_path(number: str, path: str) -> None:
    assert build(id=number).path == path


def test_the_books_key_tells_levels_and_ids_apart() -> None:
    keys = {build(id=number, customer_type=kind).books_key for number in ("1", "2") for kind in (1, 2, 3)}
    assert len(keys) == 6


def test_the_stored_target_builds_the_same_bytes() -> None:
    """What is kept of a target is its model's dump without None."""
    for method in METHODS:
        target = {**MTN_SETTLE.target, "payment_method": method}
        kept = Target.model_validate(target).model_dump(mode="json", exclude_none=True)
        assert build(payment_method=method) == build(**kept)


@pytest.mark.parametrize(
    "change",
    [
        {"id_type": ""}, {"id_type": None}, {"id_type": 2}, {"id": ""}, {"id": 700001}, {"id": " 700001"},
        {"id": "700001\n"}, {"id": "7\u200b1"}, {"id": "7\x001"}, {"id": "."}, {"id": ".."}, {"id": "1" * 65},
        {"id": "\ud800"},
        {"customer_type": 0}, {"customer_type": 4}, {"customer_type": "2"}, {"customer_type": True},
        {"customer_type": 2.0}, {"bill_number": ""}, {"bill_number": 7}, {"unknown": 1}, {"payment_method": []},
        {"payment_method": {"type": "Card"}}, {"payment_method": {"unknown": 1}},
        {"payment_method": {"details": {"wallet": {}}}},
        {"payment_method": {"details": {"bank": {"branchCode": "1"}}}},
        {"payment_method": {"details": {"bank": {"paymentMode": "EFT"}}}},
        {"payment_method": {"details": {"bank": {**BANK, "paymentMode": "Wire"}}}},
        {"payment_method": {"details": {"cash": {}}}}, {"payment_method": {"details": {"atm": {}}}},
        {"payment_method": {"details": {"cheque": {}}}},
        {"payment_method": {"details": {"bankCard": {"cardNumber": "made up"}}}},
        {"payment_method": {"details": {"bankCard": {"cvv": "made up"}}}},
        {"payment_method": {"details": {"bankCard": {"lastFourDigits": "00000"}}}},
        {"payment_method": {"details": {"tokenizedCard": {"lastFourDigits": "x000"}}}},
    ],
)  # fmt: skip
def test_a_target_that_is_not_as_described_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Target.model_validate({**MTN_SETTLE.target, **change})


def test_only_a_settle_is_supported_and_nothing_is_promised_about_a_second_one() -> None:
    assert REGISTRATION.operations.keys() == {Operation.SETTLE}
    assert REGISTRATION.operations[Operation.SETTLE].resend_safe is False


@pytest.mark.parametrize("change", [{"client_id": "x"}, {"client_secret": "x"}, {"api_key": "a\nb"}, {"api_key": "é"}])
def test_credentials_that_cannot_be_used_are_a_mistake_at_start(change: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"client_id|api_key"):
        MtnSettings.model_validate(change)
