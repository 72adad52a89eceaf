"""Whatever a provider answers, sending and checking it ends in a value that the rest of the product knows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.answers import Verdict
from shared.domain.payment import Operation
from shared.providers.base import LoginRefused, LoginUnavailable, Registration
from tests.providers.contract.case import case_of, on
from tests.providers.contract.test_checks_contract import checker, every_operation
from tests.providers.contract.test_contract import every_call, expect_table, sender
from tests.support.raw_server import Connection, RawServer, answer, raw_server

# No limit on one example's time: the machine may be busy.
many = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
Replies = list[bytes]
STATUSES = st.one_of(st.integers(100, 599), st.sampled_from((200, 200, 400, 404, 500)))


def words(registration: Registration) -> st.SearchStrategy[str]:
    """The names and texts of the provider's documented answers, and any other."""
    found: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            found.update(value)
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(item)
        if isinstance(value, str):
            found.add(value)

    for one in case_of(registration.name).documented.values():
        for body in (*(b for _, b in (*one.successes, *one.refusals)), *(shown.body for shown in one.shows.values())):
            look(json.loads(body or b"null"))
    return st.one_of(st.sampled_from(sorted(found)), st.text(max_size=20))


def documents(registration: Registration) -> st.SearchStrategy[bytes]:
    """JSON that is put together from the provider's own words."""
    word = words(registration)
    leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["0", 0, 10]), word)
    values = st.recursive(
        leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(word, inner, max_size=5))
    )
    return values.map(lambda value: json.dumps(value).encode())


@contextmanager
def replying() -> Iterator[tuple[RawServer, Replies]]:
    """A server that gives the one reply in the list to each request, and then closes."""
    replies: Replies = []

    def script(connection: Connection) -> None:
        if connection.request() is not None:
            connection.send(replies[0])

    with raw_server(script) as server:
        yield server, replies


@every_call
def test_any_status_and_any_body_give_an_answer_of_the_table(
    registration: Registration, operation: Operation | str
) -> None:
    with replying() as (server, replies):
        _, go = sender(registration, operation, server.url)

        @many
        @given(STATUSES, st.one_of(st.binary(max_size=200), documents(registration)))
        def holds(status: int, body: bytes) -> None:
            replies[:] = [answer(status, body)]
            expect_table(registration, operation, go())

        holds()


@every_operation
def test_any_status_and_any_body_let_a_check_end_with_a_verdict_and_garbage_with_none(
    registration: Registration, operation: Operation
) -> None:
    documented = case_of(registration.name).documented[operation]
    with replying() as (server, replies):
        provider = on(registration, server.url).provider
        assert provider is not None
        check = checker(registration, operation, provider)

        @many
        @given(
            STATUSES,
            st.one_of(st.binary(max_size=200), documents(registration)),
            st.sampled_from([shown.last_refusal for shown in documented.shows.values()]),
        )
        def holds(status: int, body: bytes, last_refusal: str | None) -> None:
            replies[:] = [answer(status, body)]
            try:
                result = check(last_refusal)
            except (LoginRefused, LoginUnavailable):
                assert status in (401, 403)
                return
            if result.verdict is not Verdict.INCONCLUSIVE:
                assert status == 200
                assert isinstance(json.loads(body), dict), "no provider's books are anything but an object"

        holds()
