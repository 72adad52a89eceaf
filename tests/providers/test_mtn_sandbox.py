"""The adapter against the sandbox: another's reading of the same document, with a ledger as witness."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.answers import Answer, CheckResult, Meaning, Verdict
from shared.domain.payment import Payment
from shared.domain.request import Request
from shared.providers.answer_meanings import Kind
from shared.providers.base import Connected, Doubt, LoginRefused, Provider
from shared.providers.mtn.wire import Said
from shared.providers.registry import connect
from shared.settings import Settings
from shared.settings.sections import HttpSettings, MtnSettings
from tests.support.memory import MTN_SETTLE, MemoryBooks, MemoryDirectory, MemoryTokens
from tests.support.references import new_reference
from tests.support.sandbox import SandboxClient

OAUTH = {"client_id": "sandbox", "client_secret": "sandbox"}
API_KEY = {"api_key": "sandbox"}
CUSTOMER = "700001"
BOOKS_KEY = f"mtn:2:{CUSTOMER}"
NOW = datetime.now(UTC)
FIRST = replace(MTN_SETTLE, currency="GHS", paid_at=NOW, sent_reference=new_reference())
SECOND = replace(FIRST, id=2, sent_reference=new_reference())
OURS = {FIRST.sent_reference, SECOND.sent_reference}


def adapter(
    sandbox: SandboxClient, tokens: MemoryTokens | None = None, total_timeout_s: float = 10, **section: Any
) -> Connected:
    """Connected with an OAuth2 client where nothing else is given."""
    given = {"base_url": sandbox.mtn_url, "country_code": "GHA", **(section or OAUTH)}
    http = HttpSettings(connect_timeout_s=1, total_timeout_s=total_timeout_s)
    return connect("mtn", Settings(mtn=MtnSettings.model_validate(given), http=http), tokens or MemoryTokens())


def verbs(connected: Connected) -> Provider:
    assert connected.provider is not None
    return connected.provider


def send(connected: Connected, payment: Payment = FIRST) -> Answer:
    provider = verbs(connected)
    request = provider.build(payment, MemoryDirectory())
    assert isinstance(request, Request), request
    return provider.send(replace(payment, body=request.body, path=request.path), provider.authorise())


def learnt(connected: Connected) -> MemoryBooks:
    """Our books after FIRST has succeeded and was read back."""
    assert send(connected).meaning is Meaning.SUCCEEDED
    books = MemoryBooks(succeeded_references={BOOKS_KEY: {FIRST.sent_reference}}, references=OURS, latest=FIRST)
    assert connected.learn is not None
    connected.learn(FIRST, books, verbs(connected).authorise())
    return books


def check(connected: Connected, books: MemoryBooks, payment: Payment = SECOND) -> CheckResult:
    doubt = Doubt(payment, None, None, window_passed=True, first_sent_at=NOW)
    return verbs(connected).check(doubt, books, verbs(connected).authorise())


def options(sandbox: SandboxClient, **changed: Any) -> None:
    sandbox.call("POST", "mtn/options", changed)


def faults(sandbox: SandboxClient, *kinds: str, **more: Any) -> None:
    sandbox.set_faults(*({"provider": "mtn", "operation": "settle", "fault": kind} | more for kind in kinds))


@pytest.mark.parametrize("amount_minor", [1, 10, 1_010, 999_999_999_999_999])
def test_a_payment_is_applied_with_exactly_its_sum(sandbox: SandboxClient, amount_minor: int) -> None:
    got = send(adapter(sandbox), replace(FIRST, amount_minor=amount_minor))
    assert got.meaning is Meaning.SUCCEEDED
    assert got.provider_reference
    (row,) = sandbox.ledger()
    assert (row["reference"], row["invoice_code"], row["currency"]) == (FIRST.sent_reference, CUSTOMER, "GHS")
    assert row["amount"] == f"{amount_minor // 100}.{amount_minor % 100:02d}"


@pytest.mark.parametrize("id_", ["INV/7 8", "+233 50", "ключ", "a%2Fb"])
def test_an_id_reaches_the_customer_that_it_names(sandbox: SandboxClient, id_: str) -> None:
    payment = replace(FIRST, target={**FIRST.target, "id": id_})
    assert send(adapter(sandbox), payment).meaning is Meaning.SUCCEEDED
    assert [row["invoice_code"] for row in sandbox.ledger()] == [id_]


def test_a_payment_method_and_a_bill_are_taken_as_they_are_sent(sandbox: SandboxClient) -> None:
    method = {"type": "Bank", "details": {"bank": {"branchCode": "B-1", "paymentMode": "Transfer"}}}
    target = {**FIRST.target, "bill_number": "BILL-9", "payment_method": method}
    connected = adapter(sandbox)
    assert send(connected, replace(FIRST, target=target)).meaning is Meaning.SUCCEEDED
    found = connected.lookups["bill"].call(id=CUSTOMER, customerType=2, queryType="paidBill")
    (one,) = found["data"]["appliedPayment"]["payment"]
    assert (one["billNumber"], one["paymentMethod"]) == ("BILL-9", method)


FAULTS = {
    "error_500_before": (Kind.SERVER_ERROR, False),
    "error_500_after": (Kind.SERVER_ERROR, True),
    "error_502": (Kind.GATEWAY_ERROR, False),
    "error_503": (Kind.GATEWAY_ERROR, False),
    "error_504_after": (Kind.GATEWAY_ERROR, True),
    "error_429": (Kind.TOO_MANY, False),
    "error_401": (Kind.UNAUTHORISED, False),
    "error_403": (Kind.FORBIDDEN, False),
    "error_404": (Said.REFUSED, False),
    "refuse": (Said.NO, False),
    "refuse_400": (Said.REFUSED, False),
    "refuse_400_without_detail": (Said.BAD_REQUEST, False),
    "duplicate_400": (Said.REFUSED, False),
    "redirect_302": (Kind.UNLISTED, False),
    "reset_before": (Kind.RESET, False),
    "reset_after": (Kind.RESET, True),
    "close_after": (Kind.RESET, True),
    "truncated_200": (Kind.SHORT_BODY, True),
    "not_json_200": (Said.OK_OTHER, True),
    "empty_200": (Said.OK_OTHER, True),
    "wrong_content_type": (Said.OK, True),
    "big_body": (Kind.TOO_LARGE, True),
    "hang_before": (Kind.TIME_OUT, False),
    "hang_after": (Kind.TIME_OUT, True),
    "drip": (Kind.TIME_OUT, True),
    "drip_headers": (Kind.TIME_OUT, True),
}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.items())
def test_a_fault_is_read_as_what_it_is_and_the_check_finds_what_happened(
    sandbox: SandboxClient, fault: str, expected: tuple[str, bool]
) -> None:
    kind, was_applied = expected
    connected = adapter(sandbox)
    books = learnt(connected)
    faults(sandbox, fault)
    waits = kind == Kind.TIME_OUT
    assert send(adapter(sandbox, total_timeout_s=0.6) if waits else connected, SECOND).kind == kind
    applied = [FIRST.sent_reference] + [SECOND.sent_reference] * was_applied
    assert [row["reference"] for row in sandbox.ledger()] == applied
    sandbox.clear_faults()
    assert check(connected, books).verdict is (Verdict.APPLIED if was_applied else Verdict.NOT_APPLIED)


def test_a_customer_that_does_not_exist_refuses_the_payment(sandbox: SandboxClient) -> None:
    got = send(adapter(sandbox), replace(FIRST, target={**FIRST.target, "id": "missing-1"}))
    assert (got.meaning, got.http_status) == (Meaning.REFUSED, 404)
    assert sandbox.ledger() == []


def test_another_currency_than_the_customers_refuses_the_payment(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox)
    assert send(connected).meaning is Meaning.SUCCEEDED
    assert send(connected, replace(SECOND, currency="ZAR")).meaning is Meaning.REFUSED


@pytest.mark.parametrize("references", ["drop", "mangle"])
def test_where_references_are_not_given_back_whole_nothing_is_not_applied(
    sandbox: SandboxClient, references: str
) -> None:
    options(sandbox, references=references)
    connected = adapter(sandbox)
    books = learnt(connected)
    assert books.facts == set()
    assert check(connected, books).verdict is Verdict.INCONCLUSIVE
    assert send(connected, SECOND).meaning is Meaning.SUCCEEDED
    assert check(connected, books).verdict is Verdict.INCONCLUSIVE


def test_references_that_are_mangled_from_one_day_on_unlearn_that_they_are_given_back(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox)
    books = learnt(connected)
    assert books.facts
    options(sandbox, references="mangle")
    assert send(connected, SECOND).meaning is Meaning.SUCCEEDED
    assert check(connected, books).verdict is Verdict.INCONCLUSIVE, "a payment with this sum is not explained"


def test_a_list_that_tells_a_part_proves_nothing(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox)
    books = learnt(connected)
    options(sandbox, list="part")
    assert check(connected, books).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("form", ["list", "own"])
def test_either_form_of_a_reference_is_found(sandbox: SandboxClient, form: str) -> None:
    options(sandbox, reference_form=form)
    connected = adapter(sandbox)
    books = learnt(connected)
    assert books.facts
    assert check(connected, books).verdict is Verdict.NOT_APPLIED
    assert send(connected, SECOND).meaning is Meaning.SUCCEEDED
    assert check(connected, books).verdict is Verdict.APPLIED


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        ({"amount": "100.00"}, Verdict.INCONCLUSIVE),
        ({"amount": "100.00", "reference": "SLIP-7"}, Verdict.INCONCLUSIVE),
        ({"amount": "100.00", "reference": FIRST.sent_reference}, Verdict.NOT_APPLIED),
        ({"amount": "100.00", "date": "2020-01-01"}, Verdict.NOT_APPLIED),
        ({"amount": "100.01"}, Verdict.NOT_APPLIED),
        ({"amount": "100.00", "customer_type": 1}, Verdict.NOT_APPLIED),
    ],
)
def test_somebody_elses_payment_may_be_ours_with_a_lost_reference(
    sandbox: SandboxClient, other: dict[str, Any], verdict: Verdict
) -> None:
    connected = adapter(sandbox)
    books = learnt(connected)
    sandbox.call("POST", "mtn/pay", {"id": CUSTOMER, **other})
    assert check(connected, books).verdict is verdict


def test_the_same_bytes_again_are_applied_again_and_a_person_is_told(sandbox: SandboxClient) -> None:
    """So they are never sent on a guess."""
    connected = adapter(sandbox)
    assert [send(connected, SECOND).meaning for _ in range(2)] == [Meaning.SUCCEEDED] * 2
    assert len(sandbox.ledger()) == 2
    assert check(connected, MemoryBooks()).for_person


def test_one_login_serves_every_adapter_of_the_fleet_until_its_token_is_revoked(sandbox: SandboxClient) -> None:
    tokens = MemoryTokens()
    one, other = adapter(sandbox, tokens), adapter(sandbox, tokens)
    assert [send(connected).meaning for connected in (one, other, one)] == [Meaning.SUCCEEDED] * 3
    assert len(sandbox.requests(operation="token")) == 1
    sandbox.call("POST", "mtn/revoke", {})
    auth = verbs(one).authorise()
    assert send(one, SECOND).meaning is Meaning.REAUTH
    assert verbs(one).forget(auth) is False
    assert send(one, SECOND).meaning is Meaning.SUCCEEDED
    auth = verbs(other).authorise()  # another process, which has not heard of it yet
    assert send(other, SECOND).meaning is Meaning.REAUTH
    assert verbs(other).forget(auth) is False
    assert send(other, SECOND).meaning is Meaning.SUCCEEDED
    assert len(sandbox.requests(operation="token")) == 2


@pytest.mark.parametrize("section", [API_KEY, API_KEY | OAUTH])
def test_a_key_lets_payments_and_checks_in(sandbox: SandboxClient, section: dict[str, Any]) -> None:
    connected = adapter(sandbox, **section)
    books = learnt(connected)
    assert check(connected, books).verdict is Verdict.NOT_APPLIED
    assert len(sandbox.requests(operation="token")) == (1 if "client_id" in section else 0)


def test_a_wrong_key_halts_the_lane_at_a_payment_and_at_a_check(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox, api_key="wrong")
    assert send(connected).meaning is Meaning.HALT
    with pytest.raises(LoginRefused):
        check(connected, MemoryBooks())
    assert sandbox.ledger() == []


def test_a_wrong_client_is_told_before_anything_is_sent(sandbox: SandboxClient) -> None:
    with pytest.raises(LoginRefused, match="CLIENT_SECRET"):
        verbs(adapter(sandbox, client_id="sandbox", client_secret="wrong")).authorise()


def test_the_look_ups_read_what_the_sandbox_writes(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox)
    send(connected)
    one = connected.lookups["bill"].call(id=CUSTOMER, customerType=2, queryType="paidBill")
    many = connected.lookups["bills"].call(customerId=CUSTOMER, customerType=2, queryType="completeBill")
    for found in (one["data"], *many["data"]):
        (payment,) = found["appliedPayment"]["payment"]
        assert {reference["referenceId"] for reference in payment["paymentRef"]} == {FIRST.sent_reference}
