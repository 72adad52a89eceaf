"""The adapter against the sandbox: another's reading of the same document, with a ledger as witness."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from shared.domain.answers import Meaning, Verdict
from shared.domain.payment import Operation, Payment
from shared.domain.request import Request
from shared.providers.answer_meanings import Kind
from shared.providers.base import Connected, Doubt
from shared.providers.billcenter.wire import Said
from shared.providers.registry import connect
from shared.settings import Settings
from shared.settings.sections import BillcenterSettings, HttpSettings
from tests.support.memory import SETTLE, MemoryBooks, MemoryDirectory, MemoryTokens
from tests.support.paying import Paying, paying
from tests.support.sandbox import SandboxClient

DUPLICATE = "already exists"


def adapter(sandbox: SandboxClient, **changes: Any) -> Paying:
    section = BillcenterSettings(
        base_url=sandbox.billcenter_url, username="sandbox", password=SecretStr("sandbox"), **changes
    )
    http = HttpSettings(connect_timeout_s=1, total_timeout_s=0.6)
    return paying(connect("billcenter", Settings(billcenter=section, http=http), MemoryTokens()))


def directory(connected: Connected) -> MemoryDirectory:
    kept = MemoryDirectory()
    for kind, refresh in connected.refreshes.items():
        for row in refresh():
            kept.lists.setdefault((kind, row.key), []).append(dict(row.data))
    return kept


def built(connected: Paying, payment: Payment = SETTLE) -> Payment:
    request = connected.provider.build(payment, directory(connected))
    assert isinstance(request, Request), request
    return replace(payment, body=request.body, path=request.path)


def send(connected: Paying, payment: Payment) -> Any:
    return connected.provider.send(payment, connected.provider.authorise())


def refund_of(settle: Payment, **changes: Any) -> Payment:
    return replace(
        settle, id=2, operation=Operation.REFUND, sent_reference="sp-2", settled=settle, body=None, **changes
    )


def applied(sandbox: SandboxClient) -> list[str]:
    return [row["operation"] for row in sandbox.ledger()]


@pytest.mark.parametrize("success_body", ["json", "empty"])
def test_a_settle_succeeds_whichever_way_the_success_is_written(sandbox: SandboxClient, success_body: str) -> None:
    """Trap: success is described as an empty 200, the example shows the invoice."""
    sandbox.options(success_body=success_body)
    connected = adapter(sandbox)
    got = send(connected, built(connected))
    assert got.meaning is Meaning.SUCCEEDED
    assert got.facts.get("amount_paid") == (None if success_body == "empty" else "100.00")
    assert applied(sandbox) == ["settle"]


def test_the_same_bytes_again_are_applied_once(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox)
    payment = built(connected)
    assert [send(connected, payment).meaning for _ in range(3)] == [Meaning.SUCCEEDED] * 3
    assert applied(sandbox) == ["settle"]


FAULTS = {
    "error_500_before": (Kind.SERVER_ERROR, False),
    "error_500_after": (Kind.SERVER_ERROR, True),
    "error_502": (Kind.GATEWAY_ERROR, False),
    "error_503": (Kind.GATEWAY_ERROR, False),
    "error_504_after": (Kind.GATEWAY_ERROR, True),
    "error_429": (Kind.TOO_MANY, False),
    "error_401": (Kind.UNAUTHORISED, False),
    "error_403": (Kind.FORBIDDEN, False),
    "error_404": (Kind.NOT_FOUND, False),
    "refuse_400": (Said.REFUSED, False),
    "refuse_400_without_detail": (Said.BAD_REQUEST, False),
    "duplicate_400": (Said.DUPLICATE, False),
    "redirect_302": (Kind.UNLISTED, False),
    "hang_before": (Kind.TIME_OUT, False),
    "hang_after": (Kind.TIME_OUT, True),
    "reset_before": (Kind.RESET, False),
    "reset_after": (Kind.RESET, True),
    "close_after": (Kind.RESET, True),
    "truncated_200": (Kind.SHORT_BODY, True),
    "not_json_200": (Said.OK_OTHER, True),
    "empty_200": (Said.OK_EMPTY, True),
    "wrong_content_type": (Said.OK_OBJECT, True),
    "big_body": (Kind.TOO_LARGE, True),
    "drip": (Kind.TIME_OUT, True),
    "drip_headers": (Kind.TIME_OUT, True),
}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.items())
def test_a_fault_is_read_as_what_it_is(sandbox: SandboxClient, fault: str, expected: tuple[str, bool]) -> None:
    kind, was_applied = expected
    connected = adapter(sandbox, duplicate_pattern=DUPLICATE)
    payment = built(connected)
    sandbox.set_faults({"operation": "settle", "fault": fault})
    assert send(connected, payment).kind == kind
    assert applied(sandbox) == (["settle"] if was_applied else [])
    if kind in (Said.OK_EMPTY, Said.OK_OBJECT):
        return
    sandbox.clear_faults()
    assert send(connected, payment).meaning is Meaning.SUCCEEDED, "the same bytes, when all is well again"
    assert applied(sandbox) == ["settle"]


def test_a_revoked_token_is_replaced_and_the_same_bytes_go_through(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox)
    payment = built(connected)
    auth = connected.provider.authorise()
    sandbox.set_faults({"operation": "settle", "fault": "revoked_token", "count": 1})
    assert connected.provider.send(payment, auth).meaning is Meaning.REAUTH
    connected.provider.forget(auth)
    renewed = connected.provider.authorise()
    assert renewed.fresh_after_refusal
    assert connected.provider.send(payment, renewed).meaning is Meaning.SUCCEEDED
    assert not connected.provider.authorise().fresh_after_refusal


@pytest.mark.parametrize(
    ("fault", "verdict"), [("error_500_after", Verdict.APPLIED), ("error_500_before", Verdict.NOT_APPLIED)]
)
def test_a_check_after_doubt_finds_what_happened(sandbox: SandboxClient, fault: str, verdict: Verdict) -> None:
    sandbox.options(duplicate_answer=400)
    connected = adapter(sandbox, duplicate_pattern=DUPLICATE)
    payment = built(connected)
    sandbox.set_faults({"operation": "settle", "fault": fault, "count": 1})
    assert send(connected, payment).meaning is Meaning.RESEND
    refusal = send(connected, payment) if verdict is Verdict.APPLIED else None
    assert refusal is None or refusal.meaning is Meaning.CHECK
    doubt = Doubt(payment, "billcenter:900000001", refusal.detail if refusal else None, window_passed=True)
    found = connected.provider.check(doubt, MemoryBooks(), connected.provider.authorise())
    # An invoice nobody has settled is unknown to the sandbox until it is asked for.
    assert found.verdict is verdict


@pytest.mark.parametrize("refund_id", ["settle", "own"])
def test_a_refund_after_its_settle(sandbox: SandboxClient, refund_id: str) -> None:
    connected = adapter(sandbox, refund_id=refund_id)
    settle = built(connected)
    send(connected, settle)
    refund = built(connected, refund_of(settle))
    auth = connected.provider.authorise()
    refund = replace(refund, baseline=connected.provider.baseline(refund, auth))
    assert refund.baseline is not None
    assert refund.baseline["amount_paid"] == "100.00"
    assert send(connected, refund).meaning is Meaning.SUCCEEDED
    books = MemoryBooks({"billcenter:900000001": 10_000})
    assert connected.learn is not None
    connected.learn(refund, books, auth)
    assert books.facts == {("billcenter", "refund_lowers_amount_paid")}
    found = connected.provider.check(Doubt(refund, "billcenter:900000001", None, True), books, auth)
    assert found.verdict is Verdict.APPLIED


def test_a_refund_that_does_not_lower_the_total_teaches_nothing(sandbox: SandboxClient) -> None:
    sandbox.options(refund_lowers=False)
    connected = adapter(sandbox)
    settle = built(connected)
    send(connected, settle)
    refund = built(connected, refund_of(settle))
    auth = connected.provider.authorise()
    refund = replace(refund, baseline=connected.provider.baseline(refund, auth))
    assert send(connected, refund).meaning is Meaning.SUCCEEDED
    books = MemoryBooks()
    assert connected.learn is not None
    connected.learn(refund, books, auth)
    assert books.facts == set()
    found = connected.provider.check(Doubt(refund, "billcenter:900000001", None, True), books, auth)
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_receipt_is_issued_once_paid(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox)
    settle = built(connected, replace(SETTLE, receipt={"register": "", "email": "a@example.com"}))
    send(connected, settle)
    request = connected.follow_ups["receipt"].build(settle, directory(connected))
    assert isinstance(request, Request), request
    got = connected.follow_ups["receipt"].send(request, connected.provider.authorise())
    assert got.meaning is Meaning.SUCCEEDED
    assert {"lottery", "qrdt", "vat", "mail", "pdf_url"} <= got.facts.keys()


def test_the_directory_is_fetched_and_the_branch_is_chosen(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox)
    kept = directory(connected)
    assert sum(len(rows) for (kind, _), rows in kept.lists.items() if kind == "bank_accounts") == 60
    branch = replace(SETTLE, target={**SETTLE.target, "biller_service_id": 1})
    assert b'"bank_account":"9000010003"' in (built(connected, branch).body or b"")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("biller_categories", {}),
        ("biller_services", {"page": 2, "page_size": 5}),
        ("biller_service", {"id_or_service_code": "140"}),
        ("biller_service_customers", {"category": 4, "biller_service": 140, "customer_code": "300001"}),
        ("customers_by_address", {"AimagName": "x", "Toot": "1"}),
        ("address_list", {"RefID": 0}),
        ("recommendations", {"register": "TT00000001"}),
        ("single_detail_bill", {"category": 4, "biller_service": 140, "customer_code": "300001"}),
        ("combined_detail_bill", {"biller_service_id": 140, "bs_customer_code": "300001"}),
        ("invoices", {"invoice_code": "900000001"}),
        ("bank_accounts", {"biller_service__id": 140}),
        ("dashboard", {"biller_category": 1, "report_type": 1, "report_name": "payment", "start_date": "2026-01-01"}),
    ],
)
def test_every_lookup_gets_an_answer_it_understands(sandbox: SandboxClient, name: str, given: dict[str, Any]) -> None:
    found = adapter(sandbox).lookups[name].call(**given)
    assert (found is None) == (name == "single_detail_bill"), "its example is an empty answer"
