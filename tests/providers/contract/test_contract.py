"""What every provider's adapter must do when it sends. A provider joins by being in the registry, with its case.

Each case goes over a real socket; what is expected comes from the adapter's own table, which must be total, and from
the rules that hold for all of them. Follow-ups (a receipt, a text message) are sent like operations.
"""

import json
from collections.abc import Callable, Set
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.answers import Answer, Meaning
from shared.domain.payment import Operation
from shared.domain.request import Request
from shared.providers.answer_meanings import Kind
from shared.providers.base import Auth, Registration
from shared.providers.registry import REGISTRATIONS
from tests.providers.contract import faults
from tests.providers.contract.case import Documented, case_of, on
from tests.providers.contract.faults import Fault, answered
from tests.support.raw_server import Connection, raw_server, wait_until

AUTH = Auth({"Authorization": "Bearer made-up"})
AMBIGUOUS = frozenset({Meaning.RESEND, Meaning.CHECK})
HALTING = AMBIGUOUS | {Meaning.HALT}
# What a status without a documented body may mean at any provider; all others are ambiguous.
MEANINGS: dict[int, Set[Meaning]] = {
    401: frozenset({Meaning.REAUTH, Meaning.HALT}),
    403: frozenset({Meaning.HALT}),
    404: HALTING,
    405: HALTING,
    429: frozenset({Meaning.NOT_SENT}),
}

PAYING = {name: registration for name, registration in REGISTRATIONS.items() if registration.operations}
CALLS = [
    pytest.param(registration, operation, id=f"{name}-{operation}")
    for name, registration in REGISTRATIONS.items()
    for operation in (*registration.operations, *on(registration, "http://127.0.0.1:1").follow_ups)
]
every_call = pytest.mark.parametrize(("registration", "operation"), CALLS)


def documented(registration: Registration, operation: Operation | str) -> Documented:
    return case_of(registration.name).documented[operation]


def sender(
    registration: Registration, operation: Operation | str, url: str, total_timeout_s: float = 10
) -> tuple[Request, Callable[[], Answer]]:
    """The built request of the case's payment, and a function that sends it once."""
    connected = on(registration, url, total_timeout_s)
    payment = documented(registration, operation).payment
    directory = case_of(registration.name).directory
    verbs: Any = connected.provider if isinstance(operation, Operation) else connected.follow_ups[operation]
    built = verbs.build(payment, directory)
    assert isinstance(built, Request), built
    assert verbs.build(payment, directory) == built, "the same payment must give the same bytes"
    what = replace(payment, body=built.body, path=built.path) if isinstance(operation, Operation) else built
    return built, lambda: verbs.send(what, AUTH)


def send(registration: Registration, operation: Operation | str, fault: Fault, total_timeout_s: float = 10) -> Answer:
    """One send to a server that does this once the request has come. It must go out once, byte for byte."""

    def script(connection: Connection) -> None:
        if connection.request() is not None:
            fault(connection)

    with raw_server(script) as server:
        request, go = sender(registration, operation, server.url, total_timeout_s)
        got = go()
        wait_until(lambda: bool(server.requests))
        assert server.bodies() == [request.body]
    expect_table(registration, operation, got)
    return got


def expect_table(registration: Registration, operation: Operation | str, got: Answer) -> None:
    assert got.meaning is registration.answers[operation, got.kind]
    assert got.listed or got.meaning is Meaning.CHECK
    assert got.meaning is not Meaning.RESEND or registration.operations[Operation(operation)].resend_safe
    assert got.meaning is not Meaning.REFUSED or got.refusal
    assert got.detail is None or (len(got.detail) <= 700 and got.detail.isprintable())
    assert len(json.dumps(dict(got.facts), default=str)) <= 20_000, "facts are kept with the payment"


@every_call
@pytest.mark.parametrize("name", faults.BROKEN)
def test_an_answer_that_breaks_is_ambiguous(registration: Registration, operation: Operation | str, name: str) -> None:
    got = send(registration, operation, faults.BROKEN[name], faults.patience_s(name))
    assert got.meaning in AMBIGUOUS


@every_call
@pytest.mark.parametrize("name", faults.GARBAGE)
def test_a_200_that_no_document_describes_is_ambiguous(
    registration: Registration, operation: Operation | str, name: str
) -> None:
    body = faults.GARBAGE[name]
    got = send(registration, operation, answered(200, body))
    empty = not body.strip() and (200, b"") in documented(registration, operation).successes
    assert got.meaning in ({Meaning.SUCCEEDED} if empty else AMBIGUOUS)


@every_call
def test_an_empty_200_succeeds_only_where_it_is_documented(
    registration: Registration, operation: Operation | str
) -> None:
    got = send(registration, operation, answered(200))
    empty = (200, b"") in documented(registration, operation).successes
    assert got.meaning in ({Meaning.SUCCEEDED} if empty else AMBIGUOUS)


@every_call
@pytest.mark.parametrize("status", faults.STATUSES)
def test_a_status_without_a_documented_body_refuses_nothing(
    registration: Registration, operation: Operation | str, status: int
) -> None:
    for body in (b"", faults.HTML, b'{"am', b"[]"):
        got = send(registration, operation, answered(status, body, "Retry-After: 3"))
        assert got.meaning in MEANINGS.get(status, AMBIGUOUS), body
        assert got.retry_after_s == 3.0


@every_call
@pytest.mark.parametrize("status", faults.UNLISTED)
def test_an_undescribed_status_is_checked_with_an_alert(
    registration: Registration, operation: Operation | str, status: int
) -> None:
    for body in (b"", *(body for _, body in documented(registration, operation).successes)):
        got = send(registration, operation, answered(status, b"" if status == 204 else body))
        assert (got.meaning, got.listed) == (Meaning.CHECK, False)


@every_call
def test_every_documented_success_succeeds_and_every_documented_no_refuses(
    registration: Registration, operation: Operation | str
) -> None:
    case = documented(registration, operation)
    assert case.successes
    for meaning, bodies in ((Meaning.SUCCEEDED, case.successes), (Meaning.REFUSED, case.refusals)):
        for status, body in bodies:
            got = send(registration, operation, answered(status, body))
            assert (got.meaning, got.listed) == (meaning, True), (status, body)


@every_call
def test_a_documented_body_under_a_wrong_content_type_or_a_byte_order_mark_is_never_the_opposite(
    registration: Registration, operation: Operation | str
) -> None:
    case = documented(registration, operation)
    for meaning, bodies in ((Meaning.SUCCEEDED, case.successes), (Meaning.REFUSED, case.refusals)):
        for status, body in bodies:
            as_html = send(registration, operation, answered(status, body, "Content-Type: text/html"))
            with_mark = send(registration, operation, answered(status, b"\xef\xbb\xbf" + body))
            assert {as_html.meaning, with_mark.meaning} <= AMBIGUOUS | {meaning}


@every_call
def test_a_documented_body_that_is_cut_is_ambiguous(registration: Registration, operation: Operation | str) -> None:
    case = documented(registration, operation)
    for status, body in (*case.successes, *case.refusals):
        for end in {1, len(body) // 2, len(body) - 1} if len(body) > 2 else ():
            assert send(registration, operation, answered(status, body[:end])).meaning in HALTING, body[:end]


@every_call
def test_hostile_values_in_a_documented_body_never_turn_a_yes_into_a_no_or_a_no_into_a_yes(
    registration: Registration, operation: Operation | str
) -> None:
    case = documented(registration, operation)
    for meaning, bodies in ((Meaning.SUCCEEDED, case.successes), (Meaning.REFUSED, case.refusals)):
        for status, body in bodies:
            for spoilt in faults.spoilings(body):
                got = send(registration, operation, answered(status, spoilt))
                assert got.meaning in HALTING | {meaning}, spoilt[:200]


@every_call
def test_a_refused_connection_is_not_sent(registration: Registration, operation: Operation | str) -> None:
    with raw_server(lambda _: None) as server:
        url = server.url
    got = sender(registration, operation, url)[1]()
    expect_table(registration, operation, got)
    assert (got.meaning, got.provider_down) == (Meaning.NOT_SENT, True)


@pytest.mark.parametrize("registration", PAYING.values(), ids=PAYING)
def test_the_answer_table_is_total_and_never_promises_what_the_rules_do_not(registration: Registration) -> None:
    by_operation: dict[str, set[str]] = {}
    for (operation, kind), meaning in registration.answers.items():
        by_operation.setdefault(str(operation), set()).add(kind)
        safe = operation in registration.operations and registration.operations[Operation(operation)].resend_safe
        assert meaning is not Meaning.RESEND or safe, (operation, kind)
    calls = {*registration.operations, *on(registration, "http://127.0.0.1:1").follow_ups}
    assert by_operation.keys() == set(map(str, calls)), "a row for each call, and none for what there is not"
    assert all(kinds >= set(map(str, Kind)) for kinds in by_operation.values()), "every call knows every common kind"
    payments = [by_operation[str(operation)] for operation in registration.operations]
    assert all(kinds == payments[0] for kinds in payments), "every operation knows every kind"


@pytest.mark.parametrize("registration", PAYING.values(), ids=PAYING)
def test_a_case_tells_of_every_call(registration: Registration) -> None:
    calls = {*registration.operations, *on(registration, "http://127.0.0.1:1").follow_ups}
    assert case_of(registration.name).documented.keys() == calls
