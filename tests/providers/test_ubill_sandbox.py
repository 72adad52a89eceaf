"""The adapter against the sandbox: another's reading of the same document, with a ledger as witness."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from shared.domain.answers import Answer, CheckResult, Meaning, Verdict
from shared.domain.payment import Payment
from shared.domain.request import Request
from shared.providers.answer_meanings import Kind
from shared.providers.base import Connected, Doubt, LoginRefused, Provider
from shared.providers.registry import connect
from shared.providers.ubill.wire import Said
from shared.settings import Settings
from shared.settings.sections import HttpSettings, UbillSettings
from tests.support.memory import SETTLE, MemoryBooks, MemoryDirectory, MemoryTokens
from tests.support.sandbox import SandboxClient

ACCOUNT = 500001
KEY = f"ubill:{ACCOUNT}"
FIRST = replace(SETTLE, provider="ubill", currency="GEL", target={"account_id": ACCOUNT}, amount_minor=1_010)
SECOND = replace(FIRST, id=2, sent_reference="sp-2")


def adapter(sandbox: SandboxClient, key: str = "sandbox") -> Connected:
    section = UbillSettings(base_url=sandbox.ubill_url, api_key=SecretStr(key))
    http = HttpSettings(connect_timeout_s=1, total_timeout_s=0.6)
    return connect("ubill", Settings(ubill=section, http=http), MemoryTokens())


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
    books = MemoryBooks(succeeded_references={KEY: {"sp-1"}}, references={"sp-1", "sp-2"}, latest=FIRST)
    assert connected.learn is not None
    connected.learn(FIRST, books, verbs(connected).authorise())
    return books


def check(connected: Connected, books: MemoryBooks, payment: Payment = SECOND) -> CheckResult:
    doubt = Doubt(payment, None, None, window_passed=True, first_sent_at=datetime.now(UTC))
    return verbs(connected).check(doubt, books, verbs(connected).authorise())


def options(sandbox: SandboxClient, **changed: Any) -> None:
    sandbox.call("POST", "ubill/options", changed)


def faults(sandbox: SandboxClient, *kinds: str, operation: str = "settle") -> None:
    sandbox.set_faults(*({"provider": "ubill", "operation": operation, "fault": kind} for kind in kinds))


@pytest.mark.parametrize("amount_minor", [1, 10, 1_010, 999_999_999_999_999])
def test_a_payment_is_added_with_exactly_its_sum(sandbox: SandboxClient, amount_minor: int) -> None:
    got = send(adapter(sandbox), replace(FIRST, amount_minor=amount_minor))
    assert got.meaning is Meaning.SUCCEEDED
    assert got.provider_reference
    (row,) = sandbox.ledger()
    assert (row["reference"], row["invoice_code"]) == ("sp-1", str(ACCOUNT))
    assert row["amount"] == f"{amount_minor // 100}.{amount_minor % 100:02d}"


FAULTS = {
    "error_500_before": (Kind.SERVER_ERROR, False),
    "error_500_after": (Kind.SERVER_ERROR, True),
    "error_502": (Kind.GATEWAY_ERROR, False),
    "error_504_after": (Kind.GATEWAY_ERROR, True),
    "error_429": (Kind.TOO_MANY, False),
    "error_401": (Kind.UNAUTHORISED, False),
    "error_403": (Kind.FORBIDDEN, False),
    "refuse": (Said.NO, False),
    "redirect_302": (Kind.UNLISTED, False),
    "hang_after": (Kind.TIME_OUT, True),
    "reset_before": (Kind.RESET, False),
    "reset_after": (Kind.RESET, True),
    "close_after": (Kind.RESET, True),
    "truncated_200": (Kind.SHORT_BODY, True),
    "not_json_200": (Said.OK_OTHER, True),
    "empty_200": (Said.OK_OTHER, True),
    "big_body": (Kind.TOO_LARGE, True),
    "drip": (Kind.TIME_OUT, True),
}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.items())
def test_a_fault_is_read_as_what_it_is_and_the_check_finds_what_happened(
    sandbox: SandboxClient, fault: str, expected: tuple[str, bool]
) -> None:
    kind, was_applied = expected
    connected = adapter(sandbox)
    books = learnt(connected)
    faults(sandbox, fault)
    assert send(connected, SECOND).kind == kind
    assert [row["reference"] for row in sandbox.ledger()] == ["sp-1"] + ["sp-2"] * was_applied
    sandbox.clear_faults()
    assert check(connected, books).verdict is (Verdict.APPLIED if was_applied else Verdict.NOT_APPLIED)


@pytest.mark.parametrize("comments", ["drop", "cut", "upper", "mangle"])
def test_where_comments_are_not_given_back_whole_nothing_is_not_applied(sandbox: SandboxClient, comments: str) -> None:
    first = replace(FIRST, sent_reference="sp-1-abcdefghijklmno")
    options(sandbox, comments=comments)
    connected = adapter(sandbox)
    assert send(connected, first).meaning is Meaning.SUCCEEDED
    books = MemoryBooks(succeeded_references={KEY: {first.sent_reference}}, references={first.sent_reference})
    assert connected.learn is not None
    connected.learn(first, books, verbs(connected).authorise())
    assert books.facts == set()
    assert check(connected, books).verdict is Verdict.INCONCLUSIVE


def test_a_list_without_our_earlier_success_proves_nothing(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox)
    books = learnt(connected)
    assert books.facts
    options(sandbox, list="part", newest_missing=1)
    assert check(connected, books).verdict is Verdict.INCONCLUSIVE
    assert books.facts == set()


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        ({"amount": "10.10"}, Verdict.INCONCLUSIVE),
        ({"amount": "10.10", "type_id": 5}, Verdict.INCONCLUSIVE),
        ({"amount": "10.10", "comment": "sp-1"}, Verdict.NOT_APPLIED),
        ({"amount": "10.10", "at": "2020-01-01T00:00:00Z"}, Verdict.NOT_APPLIED),
        ({"amount": "10.11"}, Verdict.NOT_APPLIED),
        ({"amount": "-10.10", "type_id": 2}, Verdict.NOT_APPLIED),
    ],
)
def test_somebody_elses_payment_may_be_ours_with_a_lost_comment(
    sandbox: SandboxClient, other: dict[str, Any], verdict: Verdict
) -> None:
    connected = adapter(sandbox)
    books = learnt(connected)
    sandbox.call("POST", "ubill/pay", {"account_id": ACCOUNT, **other})
    assert check(connected, books).verdict is verdict


def test_the_same_bytes_again_are_added_again_and_a_person_is_told(sandbox: SandboxClient) -> None:
    """So they are never sent on a guess."""
    connected = adapter(sandbox)
    assert [send(connected, SECOND).meaning for _ in range(2)] == [Meaning.SUCCEEDED] * 2
    assert len(sandbox.ledger()) == 2
    assert check(connected, MemoryBooks()).for_person


def test_a_wrong_key_halts_the_lane_at_a_payment_and_at_a_check(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox, key="wrong")
    assert send(connected).meaning is Meaning.HALT
    with pytest.raises(LoginRefused):
        check(connected, MemoryBooks())
    assert sandbox.ledger() == []


def test_the_look_ups_read_what_the_sandbox_writes(sandbox: SandboxClient) -> None:
    connected = adapter(sandbox)
    send(connected)
    found = {
        name: connected.lookups[name].call(**given)
        for name, given in {
            "accounts": {},
            "account": {"id": ACCOUNT},
            "payments": {},
            "account_payments": {"id": ACCOUNT},
            "customers": {},
        }.items()
    }
    assert found["account"]["data"][0]["id"] == str(ACCOUNT)
    (all_payments,), (of_account,) = found["payments"]["data"], found["account_payments"]["data"]
    assert (all_payments["sum"], of_account["sum"]) == ("10.10", "10.1")
    assert all_payments["id"] != of_account["id"]
    assert (all_payments["comment"], of_account["comment"]) == ("sp-1", "sp-1")
    assert connected.lookups["set_credit"].call(accountID=ACCOUNT, date="2027-02-01")["statusID"] == 0
    assert connected.lookups["account"].call(id=ACCOUNT)["data"][0]["creditDate"] == "2027-02-01"
