"""What a body says must be all of it: one that two readers could read differently is no yes and no no anywhere."""

import gzip

import pytest

from shared.domain.answers import Meaning, Verdict
from shared.domain.payment import Operation
from shared.providers.answer_meanings import Kind
from shared.providers.base import Registration
from tests.providers.contract.case import on
from tests.providers.contract.faults import Fault, answered
from tests.providers.contract.test_checks_contract import OPERATIONS, SURE, checker, shown
from tests.providers.contract.test_contract import AMBIGUOUS, documented, every_call, sender
from tests.providers.contract.twice import contradictions, recoded, repetitions
from tests.support.raw_server import Connection, RawServer, raw_server

SURE_MEANINGS = (Meaning.SUCCEEDED, Meaning.REFUSED)


class Answers:
    """A server that answers each request with what is set."""

    def __init__(self) -> None:
        self.fault: Fault = answered(200)

    def __call__(self, connection: Connection) -> None:
        while connection.request() is not None:
            self.fault(connection)


@every_call
def test_a_name_that_stands_twice_beside_two_values_is_checked(
    registration: Registration, operation: Operation | str
) -> None:
    case, answers = documented(registration, operation), Answers()
    with raw_server(answers) as server:
        _, go = sender(registration, operation, server.url)
        for status, body in (*case.successes, *case.refusals):
            for spoilt in contradictions(body) if body else ():
                answers.fault = answered(status, spoilt)
                got = go()
                assert (got.kind, got.meaning) == (Kind.CONTRADICTION, Meaning.CHECK), spoilt
                assert got.provider_reference is None


@every_call
def test_a_name_that_stands_twice_beside_one_value_says_it_once(
    registration: Registration, operation: Operation | str
) -> None:
    case, answers = documented(registration, operation), Answers()
    with raw_server(answers) as server:
        _, go = sender(registration, operation, server.url)
        for meaning, bodies in zip(SURE_MEANINGS, (case.successes, case.refusals), strict=True):
            for status, body in bodies:
                for doubled in repetitions(body) if body else ():
                    answers.fault = answered(status, doubled)
                    assert go().meaning is meaning, doubled


@every_call
def test_a_body_in_a_code_that_readers_differ_about_says_nothing(
    registration: Registration, operation: Operation | str
) -> None:
    case, answers = documented(registration, operation), Answers()
    with raw_server(answers) as server:
        _, go = sender(registration, operation, server.url)
        for status, body in (*case.successes, *case.refusals):
            for spoilt, header in recoded(body):
                answers.fault = answered(status, spoilt, header)
                assert go().meaning in AMBIGUOUS, (spoilt, header)


@every_call
def test_all_members_of_a_gzip_body_are_read(registration: Registration, operation: Operation | str) -> None:
    case, answers = documented(registration, operation), Answers()
    with raw_server(answers) as server:
        _, go = sender(registration, operation, server.url)
        for meaning, bodies in zip(SURE_MEANINGS, (case.successes, case.refusals), strict=True):
            for status, body in bodies:
                for cut in {1, len(body) // 2} if len(body) > 2 else ():
                    members = gzip.compress(body[:cut]) + gzip.compress(body[cut:])
                    answers.fault = answered(status, members, "Content-Encoding: gzip")
                    assert go().meaning is meaning


@pytest.mark.parametrize(("registration", "operation"), OPERATIONS)
@pytest.mark.parametrize("verdict", SURE)
def test_books_that_contradict_themselves_prove_nothing(
    registration: Registration, operation: Operation, verdict: Verdict
) -> None:
    books, answers = shown(registration, operation, verdict), Answers()
    with raw_server(answers) as server:
        provider = on(registration, server.url).provider
        assert provider is not None
        check = checker(registration, operation, provider)
        for spoilt in contradictions(books.body):
            answers.fault = answered(200, spoilt)
            assert check(books.last_refusal).verdict is Verdict.INCONCLUSIVE, spoilt
        for spoilt, header in recoded(books.body):
            answers.fault = answered(200, spoilt, header)
            assert check(books.last_refusal).verdict is Verdict.INCONCLUSIVE, (spoilt, header)


@every_call
def test_only_the_connection_of_a_documented_yes_or_no_is_used_again(
    registration: Registration, operation: Operation | str
) -> None:
    """A late answer to this request must find nobody who waits for the next one."""
    case, answers = documented(registration, operation), Answers()

    def connections(fault: Fault) -> int:
        with raw_server(answers) as server:
            answers.fault = fault
            _, go = sender(registration, operation, server.url)
            go()
            go()
            return _settled(server)

    for status, body in (*case.successes, *case.refusals):
        assert connections(answered(status, body)) == 1, (status, body)
    for status in (401, 403, 404, 405, 408, 429, 500, 502, 503, 504, 204, 302, 418):
        assert connections(answered(status)) == 2, status
    for body in (b"<html>log in</html>", b"[]", b'{"a":1,"a":2}'):
        assert connections(answered(200, body)) == 2, body


def _settled(server: RawServer) -> int:
    assert len(server.requests) == 2
    return server.connections
