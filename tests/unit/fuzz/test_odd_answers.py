"""Whatever a provider answers, byte for byte: an answer of the table, a verdict, or an error that is documented."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.database import foreign
from shared.domain.answers import Answer, CheckResult, Meaning, Verdict
from shared.domain.payment import Operation
from shared.domain.records import BookLine, DirectoryRow
from shared.providers.base import (
    BookPage,
    BooksUnread,
    Connected,
    LoginRefused,
    LoginUnavailable,
    LookupFailed,
    RefreshFailed,
    Registration,
)
from shared.providers.raw_answers import HttpAnswer
from shared.providers.registry import REGISTRATIONS
from tests.providers.contract.test_checks_contract import checker, every_operation
from tests.providers.contract.test_contract import every_call, sender
from tests.support.fuzzing import fuzzed, some
from tests.support.odd_answers import Ask, answering, connected, reads, seeds
from tests.support.odd_json import documents, every_odd
from tests.support.quick import quick

STATUSES = st.sampled_from((200, 200, 200, 400, 401, 403, 404, 405, 429, 500, 302))
READS = [pytest.param(provider, ask, id=f"{provider}-{name}") for provider, name, ask in reads()]
EXPECTED = (LookupFailed, RefreshFailed, BooksUnread, LoginRefused, LoginUnavailable)
SLOW_S = 1.0  # of processor time, for 64 kB at most; one that is quadratic takes longer


def bodies(provider: str) -> st.SearchStrategy[bytes]:
    return documents(*seeds(provider))


@cache
def each_odd(provider: str) -> Sequence[bytes]:
    return list(dict.fromkeys(odd for seed in seeds(provider) for odd in every_odd(seed)))


def says_yes(provider: str, operation: Operation | str, body: bytes) -> bool:
    """What the provider's document calls a success, told by another reader than the adapter's."""
    if provider == "billcenter" and operation == Operation.SETTLE and not body.strip(b" \t\r\n"):
        return True
    document: Any = json.loads(body.decode(), object_pairs_hook=_once)
    if provider == "billcenter":
        if operation == Operation.REFUND:
            return isinstance(document, dict) and isinstance(document["detail"], str)
        if operation == "receipt":
            return isinstance(document, dict) and any(document.get(name) for name in ("lottery", "qrdt", "posapi_tdd"))
        return isinstance(document, dict)
    if provider == "mtn":
        inner = document.get("result")
        codes = [place.get("resultCode") for place in (document, inner) if isinstance(place, dict)]
        return "0000" in codes and {*codes} <= {"0000", None}
    assert provider == "ubill"
    named = document["smsID"] if operation == "sms" else document["data"]["id"]
    says = type(document["statusID"]) is int and document["statusID"] == 0 and bool(str(named).strip())
    return says and (operation == "sms" or bool(str(named).strip(" 0")))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that stands twice stands beside the same value."""
    found = dict(pairs)
    assert all(found[name] == value for name, value in pairs)
    return found


def must_be_answer(
    registration: Registration, operation: Operation | str, status: int, body: bytes, got: Answer
) -> None:
    """It is one of the table's, only what is documented is a yes, and it can be written down."""
    assert got.meaning is registration.answers[operation, got.kind]
    if got.meaning is Meaning.SUCCEEDED:
        assert status == 200
        assert says_yes(registration.name, operation, body), body
    must_be_storable(got.detail, got.provider_reference, dict(got.facts), limit=10_000)


def must_be_storable(*values: object, limit: int = 100_000) -> None:
    """What is kept of it is plain, bounded, and taken by PostgreSQL once `foreign` has had it."""
    kept = foreign.json_text({"kept": values})
    kept.encode()
    assert "\\u0000" not in kept
    assert len(kept) < limit


@contextmanager
def sending(registration: Registration, operation: Operation | str) -> Iterator[Callable[[int, bytes], Answer]]:
    with answering() as said:
        _, go = sender(registration, operation, "http://127.0.0.1:1")

        def send(status: int, body: bytes) -> Answer:
            said[:] = [HttpAnswer(status, {}, body)]
            with quick(SLOW_S):
                return go()

        yield send


@every_call
def test_each_odd_thing_in_each_place_of_an_answer_is_no_success_that_the_document_does_not_describe(
    registration: Registration, operation: Operation | str
) -> None:
    with sending(registration, operation) as send:
        tried = 0
        for body in some(each_odd(registration.name), 1500):
            for status in (200, 400):
                must_be_answer(registration, operation, status, body, send(status, body))
                tried += 1
    assert tried > 1000


@every_call
def test_no_answer_is_a_success_that_the_document_does_not_describe(
    registration: Registration, operation: Operation | str
) -> None:
    with sending(registration, operation) as send:

        @fuzzed(150)
        @given(STATUSES, bodies(registration.name))
        def holds(status: int, body: bytes) -> None:
            must_be_answer(registration, operation, status, body, send(status, body))

        holds()


@every_operation
def test_no_odd_books_end_a_check_but_with_a_verdict_that_can_be_kept(
    registration: Registration, operation: Operation
) -> None:
    with answering() as said:
        provider = connected(registration).provider
        assert provider is not None
        check = checker(registration, operation, provider)

        def must_hold(status: int, body: bytes) -> None:
            said[:] = [HttpAnswer(status, {}, body)]
            try:
                with quick(SLOW_S):
                    result = check(None)
            except LoginRefused:
                assert status in (401, 403)
                return
            must_be_verdict(status, body, result)

        for body in some(each_odd(registration.name), 1500):
            must_hold(200, body)

        @fuzzed(150)
        @given(STATUSES, bodies(registration.name))
        def holds(status: int, body: bytes) -> None:
            must_hold(status, body)

        holds()


def must_be_verdict(status: int, body: bytes, result: CheckResult) -> None:
    if result.verdict is not Verdict.INCONCLUSIVE:
        assert status == 200
        assert isinstance(json.loads(body.decode()), dict), "no provider's books are anything but an object"
    must_be_storable(result.detail, result.provider_reference, result.evidence, result.shown, result.doubts)


@pytest.mark.parametrize(("provider", "ask"), READS)
def test_a_read_of_odd_answers_ends_with_what_was_read_or_in_one_sentence(
    provider: str, ask: Ask, request: pytest.FixtureRequest
) -> None:
    login = "login" in request.node.callspec.id
    with answering(login=login) as said:
        once = connected(REGISTRATIONS[provider])

        def must_hold(status: int, body: bytes) -> None:
            said[:] = [HttpAnswer(status, {}, body)]
            at = connected(REGISTRATIONS[provider]) if login else once  # a token is remembered
            with quick(SLOW_S):
                found, told = read(ask, at)
            if told is None:
                must_be_read(found)
            else:
                assert re.fullmatch(r"[^\n]+", told)

        for body in some(each_odd(provider), 300):
            must_hold(200, body)

        @fuzzed(30)
        @given(STATUSES, bodies(provider))
        def holds(status: int, body: bytes) -> None:
            must_hold(status, body)

        holds()


def read(ask: Ask, at: Connected) -> tuple[object, str | None]:
    """What was read, or what people are told."""
    try:
        return ask(at), None
    except EXPECTED as error:
        return None, str(error)


def must_be_read(found: Any) -> None:
    """Lines and rows of lists that can be kept; what people asked for is plain JSON."""
    if isinstance(found, BookPage):
        found = found.lines
    if isinstance(found, list) and found and isinstance(found[0], BookLine | DirectoryRow):
        for one in found:
            must_be_one(one)
    elif isinstance(found, tuple):
        json.dumps(found[0], allow_nan=False)


def must_be_one(one: BookLine | DirectoryRow) -> None:
    if isinstance(one, DirectoryRow):
        json.dumps(dict(one.data), allow_nan=False)
        return
    assert -(2**63) <= one.amount_minor < 2**63
    assert one.at is None or one.at.tzinfo is not None
    must_be_storable(one.account, one.marker, one.reference, one.status)
