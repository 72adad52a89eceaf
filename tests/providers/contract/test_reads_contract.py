"""Every look-up and every refresh of every provider: whatever goes wrong on the wire ends in a sentence for people."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from shared.providers.base import Connected, LookupFailed, RefreshFailed, Registration
from shared.providers.registry import REGISTRATIONS
from tests.providers.contract import faults
from tests.providers.contract.case import GIVEN, LOGIN, case_of, on, required
from tests.providers.contract.faults import Fault, answered
from tests.support.raw_server import Connection, answer, raw_server, wait_until


def is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return b"NaN" not in body  # which Python alone reads


# Every call is made by the same module: for reads one fault that hangs is enough.
BROKEN = {name: fault for name, fault in faults.BROKEN.items() if name not in faults.HANGING or name == "time-out"}
# Where a document shows no answer, any JSON is passed on; and one of its examples is empty.
NOT_JSON = [body for body in faults.GARBAGE.values() if body.strip() and not is_json(body)]


def behind_the_login(wrong: Fault, asked: list[bytes]) -> Callable[[Connection], None]:
    """Lets everyone in; what goes wrong is the read itself."""

    def script(connection: Connection) -> None:
        while (request := connection.request()) is not None:
            if b"token" in request.split(b"\r\n")[0]:
                connection.send(answer(200, json.dumps(LOGIN).encode()))
                continue
            asked.append(request)
            wrong(connection)
            return

    return script


def call(connected: Connected, kind: str, name: str, given: Mapping[str, Any]) -> object:
    if kind == "refresh":
        return list(connected.refreshes[name]())
    return connected.lookups[name].call(**required(connected, name, given))


READS = [
    pytest.param(registration, kind, name, id=f"{provider}-{kind}-{name}")
    for provider, registration in REGISTRATIONS.items()
    for kind, names in (
        ("lookup", on(registration, "http://127.0.0.1:1").lookups),
        ("refresh", on(registration, "http://127.0.0.1:1").refreshes),
    )
    for name in names
    if name not in case_of(provider).apart
]


def expect_a_sentence(
    registration: Registration, kind: str, name: str, wrong: Fault, total_timeout_s: float = 10
) -> None:
    asked: list[bytes] = []
    with raw_server(behind_the_login(wrong, asked)) as server:
        connected = on(registration, server.url, total_timeout_s)
        with pytest.raises(RefreshFailed if kind == "refresh" else LookupFailed, match=r"^[^\n]+$"):
            call(connected, kind, name, case_of(registration.name).given)
        wait_until(lambda: bool(asked))


every_read = pytest.mark.parametrize(("registration", "kind", "name"), READS)


@every_read
@pytest.mark.parametrize("wrong", BROKEN)
def test_an_answer_that_breaks_is_one_sentence(registration: Registration, kind: str, name: str, wrong: str) -> None:
    expect_a_sentence(registration, kind, name, BROKEN[wrong], faults.patience_s(wrong))


@every_read
def test_an_answer_that_no_document_describes_is_one_sentence(registration: Registration, kind: str, name: str) -> None:
    for body in NOT_JSON:
        expect_a_sentence(registration, kind, name, answered(200, body))
    for status in faults.STATUSES:
        expect_a_sentence(registration, kind, name, answered(status, b"{}"))


@pytest.mark.parametrize("registration", REGISTRATIONS.values(), ids=REGISTRATIONS)
def test_a_provider_has_verbs_where_it_has_operations_and_each_lookup_says_what_it_is(
    registration: Registration,
) -> None:
    connected = on(registration, "http://127.0.0.1:1")
    assert (connected.provider is None) is (not registration.operations)
    assert issubclass(registration.target, BaseModel)
    for lookup in connected.lookups.values():
        assert lookup.help
        assert all(text and of in GIVEN for of, _, text in lookup.parameters.values())
    assert case_of(registration.name).apart <= connected.lookups.keys()


@pytest.mark.parametrize("registration", REGISTRATIONS.values(), ids=REGISTRATIONS)
def test_the_jobs_that_a_registration_asks_for_have_what_they_call(registration: Registration) -> None:
    connected = on(registration, "http://127.0.0.1:9")
    assert {one.kind for one in registration.lists} == set(connected.refreshes)
    assert registration.has_statement == (connected.statement is not None)
    assert registration.renews_tokens <= (connected.renew is not None)
    assert registration.sends_messages == (connected.reports is not None)
