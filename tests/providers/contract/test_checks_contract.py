"""What every provider's check must do: garbage proves nothing, and only documented books give a verdict."""

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from shared.domain.answers import CheckResult, Verdict
from shared.domain.payment import Operation
from shared.providers.base import Auth, Doubt, LoginRefused, LoginUnavailable, Provider, Registration
from shared.providers.registry import REGISTRATIONS
from tests.providers.contract import faults
from tests.providers.contract.case import Shown, case_of, on
from tests.providers.contract.faults import Fault, answered
from tests.support.memory import MemoryBooks
from tests.support.raw_server import Connection, raw_server

AUTH = Auth({"Authorization": "Bearer made-up"})
OPERATIONS = [
    pytest.param(registration, operation, id=f"{name}-{operation}")
    for name, registration in REGISTRATIONS.items()
    for operation in registration.operations
]
every_operation = pytest.mark.parametrize(("registration", "operation"), OPERATIONS)
SURE = (Verdict.APPLIED, Verdict.NOT_APPLIED)
SENT_AT = datetime(2026, 11, 21, 8, tzinfo=UTC)  # as the books of the cases: no line is a day older


@dataclass
class Learnt(MemoryBooks):
    """Books in which every fact is known until it is unlearnt: nothing of ours keeps a verdict from being given."""

    unlearnt: set[str] = field(default_factory=set)

    def knows(self, provider: str, fact: str) -> bool:
        return fact not in self.unlearnt

    def unlearn(self, provider: str, fact: str) -> None:
        self.unlearnt.add(fact)

    def ours(self, references: Set[str]) -> frozenset[str]:
        return frozenset()


def shown(registration: Registration, operation: Operation, verdict: Verdict) -> Shown:
    return case_of(registration.name).documented[operation].shows[verdict]


def checker(
    registration: Registration, operation: Operation, provider: Provider
) -> Callable[[str | None], CheckResult]:
    """Checks the case's payment, with everything known that a verdict needs. Given: the refusal that came before."""
    case = case_of(registration.name)
    payment = case.documented[operation].payment

    def check(last_refusal: str | None) -> CheckResult:
        doubt = Doubt(payment, None, last_refusal, window_passed=True, first_sent_at=SENT_AT)
        return provider.check(doubt, Learnt(latest=case.latest), AUTH)

    return check


def check(
    registration: Registration,
    operation: Operation,
    fault: Fault,
    last_refusal: str | None = None,
    total_timeout_s: float = 10,
) -> CheckResult | None:
    """A check whose every read meets this; None where it says that it was not let in."""

    def script(connection: Connection) -> None:
        if connection.request() is not None:
            fault(connection)

    with raw_server(script) as server:
        provider = on(registration, server.url, total_timeout_s).provider
        assert provider is not None
        try:
            return checker(registration, operation, provider)(last_refusal)
        except (LoginRefused, LoginUnavailable):
            return None


@every_operation
@pytest.mark.parametrize("verdict", SURE)
def test_documented_books_give_their_verdict_and_only_with_a_200_and_whole(
    registration: Registration, operation: Operation, verdict: Verdict
) -> None:
    books = shown(registration, operation, verdict)
    result = check(registration, operation, answered(200, books.body), books.last_refusal)
    assert result is not None
    assert result.verdict is verdict, result.detail
    for status in (*faults.STATUSES, *faults.UNLISTED):
        body = b"" if status == 204 else books.body
        result = check(registration, operation, answered(status, body), books.last_refusal)
        assert result is None or result.verdict is Verdict.INCONCLUSIVE, status
    for end in range(0, len(books.body), 7):
        result = check(registration, operation, answered(200, books.body[:end]), books.last_refusal)
        assert result is not None
        assert (result.verdict, result.unread) == (Verdict.INCONCLUSIVE, True), books.body[:end]


@every_operation
@pytest.mark.parametrize("name", faults.BROKEN)
def test_books_that_break_prove_nothing(registration: Registration, operation: Operation, name: str) -> None:
    for verdict in SURE:
        refusal = shown(registration, operation, verdict).last_refusal
        result = check(registration, operation, faults.BROKEN[name], refusal, faults.patience_s(name))
        assert result is not None
        assert (result.verdict, result.unread) == (Verdict.INCONCLUSIVE, True)


@every_operation
@pytest.mark.parametrize("name", faults.GARBAGE)
def test_a_200_that_no_document_describes_proves_nothing(
    registration: Registration, operation: Operation, name: str
) -> None:
    for verdict in SURE:
        refusal = shown(registration, operation, verdict).last_refusal
        result = check(registration, operation, answered(200, faults.GARBAGE[name]), refusal)
        assert result is not None
        assert (result.verdict, result.unread) == (Verdict.INCONCLUSIVE, True)


@every_operation
@pytest.mark.parametrize("verdict", SURE)
def test_hostile_values_in_documented_books_only_ever_keep_the_verdict_from_being_given(
    registration: Registration, operation: Operation, verdict: Verdict
) -> None:
    books = shown(registration, operation, verdict)
    for spoilt in faults.spoilings(books.body):
        result = check(registration, operation, answered(200, spoilt), books.last_refusal)
        assert result is not None
        assert result.verdict in (verdict, Verdict.INCONCLUSIVE), spoilt[:300]


@every_operation
@pytest.mark.parametrize("name", ["reset", "HTML"])
def test_a_second_read_that_fails_keeps_the_verdict_from_being_given(
    registration: Registration, operation: Operation, name: str
) -> None:
    books = shown(registration, operation, Verdict.NOT_APPLIED)
    fault = faults.BROKEN.get(name) or answered(200, faults.HTML)
    connections = []

    def first_alone(connection: Connection) -> None:
        connections.append(connection.number)
        (answered(200, books.body) if connection.number == 1 else fault)(connection)

    result = check(registration, operation, first_alone, books.last_refusal)
    assert result is not None
    assert result.verdict is (Verdict.INCONCLUSIVE if len(connections) > 1 else Verdict.NOT_APPLIED)


@every_operation
@pytest.mark.parametrize("status", [401, 403])
def test_a_read_that_is_not_let_in_says_nothing_of_the_payment(
    registration: Registration, operation: Operation, status: int
) -> None:
    result = check(registration, operation, answered(status, b"{}"))
    assert result is None or (result.verdict, result.unread) == (Verdict.INCONCLUSIVE, True)


@every_operation
def test_a_refused_connection_proves_nothing_and_says_that_the_provider_is_down(
    registration: Registration, operation: Operation
) -> None:
    with raw_server(lambda _: None) as server:
        url = server.url
    provider = on(registration, url).provider
    assert provider is not None
    result = checker(registration, operation, provider)(None)
    assert (result.verdict, result.unread, result.provider_down) == (Verdict.INCONCLUSIVE, True, True)
