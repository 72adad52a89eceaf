"""billcenter's requests: the bytes, the account, what is refused before anything is sent."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from shared.domain.payment import HoldReason, Operation, Payment
from shared.domain.request import Hold, Refusal, Request
from shared.providers.billcenter.bodies import Target
from shared.providers.registry import connect
from shared.settings import Settings
from shared.settings.sections import BillcenterSettings
from tests.support.memory import SETTLE, MemoryDirectory, MemoryTokens
from tests.support.paying import Paying, paying

Built = Request | Hold | Refusal

ACCOUNT = {
    "id": 12,
    "khut_type": None,
    "account": "8000000001",
    "bank_code": "70000",
    "currency": "MNT",
    "biller_service": 140,
}


def connected(**changes: Any) -> Paying:
    section = BillcenterSettings(base_url="http://127.0.0.1:1", username="u", password=SecretStr("p"), **changes)
    return paying(connect("billcenter", Settings(billcenter=section), MemoryTokens()))


def accounts(*changes: dict[str, Any], service: int = 140) -> MemoryDirectory:
    rows = [{**ACCOUNT, "id": index, **change} for index, change in enumerate(changes or ({},))]
    return MemoryDirectory({("bank_accounts", str(service)): rows})


def build(payment: Payment = SETTLE, directory: MemoryDirectory | None = None, **changes: Any) -> Built:
    return connected(**changes).provider.build(payment, directory or accounts())


def fields(built: object) -> dict[str, Any]:
    assert isinstance(built, Request), built
    found: dict[str, Any] = json.loads(built.body)
    return found


def settled(**changes: Any) -> Payment:
    built = build()
    assert isinstance(built, Request)
    return replace(SETTLE, body=built.body, path=built.path, **changes)


def refund(of: Payment | None, amount_minor: int = 10_000) -> Payment:
    return replace(
        SETTLE, id=2, operation=Operation.REFUND, sent_reference="sp-2", settled=of, amount_minor=amount_minor,
        target={}, paid_at=datetime(2027, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def test_a_settle_is_these_very_bytes() -> None:
    """Trap: the description calls the id payment_id, the sample body payment_invoice_code; both are sent."""
    built = build()
    assert isinstance(built, Request)
    assert built.path == "/api/third_party/settle_payment/"
    assert built.exclusive_key == "billcenter:900000001"
    assert built.body == (
        b'{"bank_code":"70001","bank_account":"8000000001","invoice_code":"900000001","payment_id":"sp-1",'
        b'"payment_invoice_code":"sp-1","bs_customer_code":"300001","paid_amount":"100.00",'
        b'"paid_date":"2026-11-21 03:24:12.133606+00"}'
    )


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02 03:04:05.000000+00"),
        (datetime(2026, 1, 1, 2, 0, 0, 1, timezone(timedelta(hours=8))), "2025-12-31 18:00:00.000001+00"),
    ],
)
def test_paid_date_is_utc_with_microseconds(moment: datetime, expected: str) -> None:
    assert fields(build(replace(SETTLE, paid_at=moment)))["paid_date"] == expected


@pytest.mark.parametrize(("amount_minor", "expected"), [(1, "0.01"), (100, "1.00"), (123_456_789, "1234567.89")])
def test_paid_amount_has_two_places(amount_minor: int, expected: str) -> None:
    assert fields(build(replace(SETTLE, amount_minor=amount_minor)))["paid_amount"] == expected


def test_the_bank_is_the_intents_or_else_the_settings() -> None:
    no_bank = replace(SETTLE, target={k: v for k, v in SETTLE.target.items() if k != "bank_code"})
    assert fields(build(bank_code="70009"))["bank_code"] == "70001"
    assert fields(build(no_bank, bank_code="70009"))["bank_code"] == "70009"
    refused = build(no_bank)
    assert isinstance(refused, Refusal)
    assert "SETTLEPIPE_BILLCENTER__BANK_CODE" in refused.detail


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], HoldReason.NO_ACCOUNT),
        ([{"account": None}], HoldReason.NO_ACCOUNT),
        ([{"currency": "USD"}], HoldReason.NO_ACCOUNT),
        ([{}, {"account": "8000000002"}], HoldReason.AMBIGUOUS_ACCOUNT),
        ([{}, {}], HoldReason.AMBIGUOUS_ACCOUNT),
        ([{"confirmed": False}], HoldReason.ACCOUNT_UNCONFIRMED),
        ([{"khut_type": "4"}], HoldReason.NO_ACCOUNT),
        ([{"khut_type": "3"}, {"khut_type": "3", "account": "8000000003"}], HoldReason.AMBIGUOUS_ACCOUNT),
        ([{"khut_type": "4"}, {"khut_type": None}], HoldReason.NO_ACCOUNT),
    ],
)
def test_an_account_is_never_guessed(rows: list[dict[str, Any]], reason: HoldReason) -> None:
    """Several rows that match, or none: held with that reason."""
    directory = accounts(*rows) if rows else MemoryDirectory()
    held = build(directory=directory)
    assert isinstance(held, Hold)
    assert held.reason is reason


def test_the_first_digit_of_the_customer_code_chooses_the_branch() -> None:
    """khut_type: nine branches with an account each. Our reading: any service whose accounts carry one."""
    branches = accounts(*({"khut_type": kind, "account": f"800000000{kind}"} for kind in range(1, 10)))
    assert fields(build(directory=branches))["bank_account"] == "8000000003"
    code = {**SETTLE.target, "bs_customer_code": "700001"}
    assert fields(build(replace(SETTLE, target=code), branches))["bank_account"] == "8000000007"


def test_another_services_account_is_not_taken() -> None:
    assert isinstance(build(directory=accounts({}, service=141)), Hold)


def test_an_unconfirmed_account_is_used_where_the_setting_says_so() -> None:
    assert isinstance(build(directory=accounts({"confirmed": False}), confirm_changed_accounts=False), Request)
    assert isinstance(build(directory=accounts({"confirmed": True})), Request)


@pytest.mark.parametrize(
    "change",
    [
        {"invoice_code": ""}, {"invoice_code": "x" * 65}, {"invoice_code": 7}, {"invoice_code": "a\nb"},
        {"invoice_code": None},
        {"bs_customer_code": ""}, {"bs_customer_code": "a\x00"}, {"bs_customer_code": 5},
        {"biller_service_id": 0}, {"biller_service_id": -1}, {"biller_service_id": "140"}, {"biller_service_id": True},
        {"biller_service_id": 1.0}, {"bank_code": ""}, {"bank_code": 50004}, {"unknown": 1},
        {"invoice_code": "a\ud800"},
    ],
)  # fmt: skip
def test_a_target_that_is_not_as_described_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Target.model_validate({**SETTLE.target, **change})


def test_the_bank_code_of_a_target_is_optional() -> None:
    assert Target.model_validate({k: v for k, v in SETTLE.target.items() if k != "bank_code"}).bank_code is None


def test_a_refund_repeats_the_settle_and_carries_its_id() -> None:
    """bank_account, invoice_code and paid_date are the settle's, even if the account directory has changed since."""
    built = build(refund(settled()), accounts({"account": "8999999999"}))
    assert isinstance(built, Request)
    assert built.path == "/api/third_party/refund_payment/"
    assert built.exclusive_key == "billcenter:900000001"
    of = settled()
    assert of.body is not None
    assert fields(built) == json.loads(of.body)


def test_a_refund_can_carry_an_id_of_its_own() -> None:
    sent = fields(build(refund(settled()), refund_id="own"))
    assert (sent["payment_id"], sent["payment_invoice_code"]) == ("sp-2", "sp-2")


def test_a_partial_refund_needs_its_setting() -> None:
    refused = build(refund(settled(), 9_999))
    assert isinstance(refused, Refusal)
    assert "SETTLEPIPE_BILLCENTER__PARTIAL_REFUNDS" in refused.detail
    assert fields(build(refund(settled(), 9_999), partial_refunds=True))["paid_amount"] == "99.99"


@pytest.mark.parametrize("of", [None, SETTLE])
def test_a_refund_of_what_we_never_sent_is_refused(of: Payment | None) -> None:
    assert isinstance(build(refund(of)), Refusal)


def services(*rows: dict[str, Any]) -> MemoryDirectory:
    return MemoryDirectory({("services", "140"): list(rows)})


def build_receipt(payment: Payment, directory: MemoryDirectory) -> Built:
    return connected().follow_ups["receipt"].build(payment, directory)


def test_a_receipt_is_the_settle_with_its_register_and_mail() -> None:
    paid = settled(receipt={"register": "0000001", "email": "a@example.com"})
    built = build_receipt(paid, services({"id": 140, "with_noat": True}))
    assert isinstance(built, Request)
    assert built.path == "/api/third_party/nuat_paid_invoice/"
    assert built.exclusive_key is None
    assert paid.body is not None
    expected = json.loads(paid.body) | {"noat_register": "0000001", "email": "a@example.com"}
    assert fields(built) == expected


def test_a_receipt_for_a_person_has_an_empty_register() -> None:
    sent = fields(build_receipt(settled(receipt={"email": "a@example.com"}), services({"with_noat": True})))
    assert sent["noat_register"] == ""


def test_a_receipt_waits_for_a_list_of_services_that_has_its_service() -> None:
    assert isinstance(build_receipt(settled(receipt={}), services()), Hold)


@pytest.mark.parametrize("rows", [[{"with_noat": False}], [{"with_noat": None}], [{}]])
def test_a_service_without_vat_gives_no_receipt(rows: list[dict[str, Any]]) -> None:
    refused = build_receipt(settled(receipt={}), services(*rows))
    assert isinstance(refused, Refusal)
    assert re.search("with_noat", refused.detail)
