"""What every provider's adapter must do, whatever the provider is. A provider joins by being in the registry.

Each case goes over a real socket; what is expected comes from the adapter's own table, which must be total, and from
the rules that hold for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from shared.domain.answers import Answer, Meaning
from shared.domain.payment import Operation, Payment
from shared.domain.request import Request
from shared.providers.base import Auth, Registration
from shared.providers.registry import REGISTRATIONS
from shared.settings import Settings
from tests.providers.contract.cases import CASES
from tests.support.memory import MemoryTokens
from tests.support.raw_server import Connection, answer, raw_server

Script = Callable[[Connection], object]
HTML = b"<html><body>502 Bad Gateway</body></html>"


def answered(status: int, body: bytes = b"", *headers: str) -> Script:
    return lambda connection: (connection.request(), connection.send(answer(status, body, *headers)))


# What goes wrong on the wire, and the meanings that it may have at any provider.
AMBIGUOUS = frozenset({Meaning.RESEND, Meaning.CHECK})
WIRE: Mapping[str, tuple[Script, frozenset[Meaning]]] = {
    "time-out": (lambda c: (c.request(), c.hang()), AMBIGUOUS),
    "dripped headers": (lambda c: (c.request(), c.drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500, 0.01)), AMBIGUOUS),
    "reset": (lambda c: (c.request(), c.reset()), AMBIGUOUS),
    "closed without an answer": (lambda c: c.request(), AMBIGUOUS),
    "cut in the headers": (lambda c: (c.request(), c.send(b"HTTP/1.1 200 OK\r\n")), AMBIGUOUS),
    "cut in the body": (lambda c: (c.request(), c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")), AMBIGUOUS),
    "truncated JSON": (answered(200, b'{"id": 1, "am'), AMBIGUOUS),
    "HTML with 200": (answered(200, HTML), AMBIGUOUS),
    "endless body": (answered(200, b"x" * 200_000), AMBIGUOUS),
    "not HTTP": (lambda c: (c.request(), c.send(b"220 ready\r\n\r\n")), AMBIGUOUS),
    "400 without a reason": (answered(400, HTML), AMBIGUOUS),
    "401": (answered(401), frozenset({Meaning.REAUTH, Meaning.HALT})),
    "403": (answered(403), frozenset({Meaning.HALT})),
    "429": (answered(429, b"", "Retry-After: 3"), frozenset({Meaning.NOT_SENT})),
    "500": (answered(500, HTML), AMBIGUOUS),
    "502": (answered(502, HTML), AMBIGUOUS),
    "503": (answered(503, b"", "Retry-After: 3"), AMBIGUOUS),
    "504": (answered(504, HTML), AMBIGUOUS),
}
UNLISTED = (206, 302, 418)

PAYING = {name: registration for name, registration in REGISTRATIONS.items() if registration.operations}
OPERATIONS = [
    pytest.param(registration, operation, id=f"{name}-{operation}")
    for name, registration in PAYING.items()
    for operation in registration.operations
]


def send(registration: Registration, operation: Operation, script: Script) -> tuple[Answer, list[bytes], Payment]:
    """One send of a built payment to a server that runs `script` for each connection."""
    case = CASES[registration.name]
    with raw_server(script) as server:  # type: ignore[arg-type]
        settings = Settings.model_validate(
            {
                registration.name: {**case.settings, "base_url": server.url},
                "http": {"connect_timeout_s": 0.5, "total_timeout_s": 0.3, "max_body_bytes": 100_000},
            }
        )
        provider = registration.connect(settings, settings.provider(registration.name), MemoryTokens()).provider
        payment = case.payments[operation]
        built = provider.build(payment, case.directory)
        assert isinstance(built, Request), built
        assert provider.build(payment, case.directory) == built, "the same payment must give the same bytes"
        payment = replace(payment, body=built.body, path=built.path)
        answer = provider.send(payment, Auth({"Authorization": "Bearer made-up"}))
        return answer, server.requests, payment


def expect_table(registration: Registration, operation: Operation, got: Answer) -> None:
    assert got.meaning is registration.answers[operation, got.kind]


@pytest.mark.parametrize(("registration", "operation"), OPERATIONS)
@pytest.mark.parametrize("name", WIRE)
def test_what_goes_wrong_on_the_wire(registration: Registration, operation: Operation, name: str) -> None:
    script, allowed = WIRE[name]
    got, requests, payment = send(registration, operation, script)
    expect_table(registration, operation, got)
    assert got.meaning in allowed
    assert got.meaning is not Meaning.RESEND or registration.operations[operation].resend_safe
    assert [request.partition(b"\r\n\r\n")[2] for request in requests] == [payment.body], "sent once, byte for byte"
    if name in ("429", "503"):
        assert got.retry_after_s == 3.0


@pytest.mark.parametrize(("registration", "operation"), OPERATIONS)
@pytest.mark.parametrize("status", UNLISTED)
def test_an_undescribed_status_is_checked_with_an_alert(
    registration: Registration, operation: Operation, status: int
) -> None:
    got, _, _ = send(registration, operation, answered(status, b"{}"))
    expect_table(registration, operation, got)
    assert (got.meaning, got.listed) == (Meaning.CHECK, False)


@pytest.mark.parametrize(("registration", "operation"), OPERATIONS)
def test_every_documented_success_succeeds_and_every_documented_no_refuses(
    registration: Registration, operation: Operation
) -> None:
    case = CASES[registration.name]
    documented = [(Meaning.SUCCEEDED, body) for body in case.successes[operation]]
    documented += [(Meaning.REFUSED, body) for body in case.refusals[operation]]
    assert documented
    for meaning, (status, body) in documented:
        got, _, _ = send(registration, operation, answered(status, body))
        expect_table(registration, operation, got)
        assert (got.meaning, got.listed) == (meaning, True), (status, body)


@pytest.mark.parametrize(("registration", "operation"), OPERATIONS)
def test_an_empty_200_succeeds_only_where_it_is_documented(registration: Registration, operation: Operation) -> None:
    got, _, _ = send(registration, operation, answered(200))
    documented = (200, b"") in CASES[registration.name].successes[operation]
    assert (got.meaning is Meaning.SUCCEEDED) is documented
    assert documented or got.meaning in AMBIGUOUS


@pytest.mark.parametrize("registration", PAYING.values(), ids=PAYING)
def test_a_refused_connection_is_not_sent(registration: Registration) -> None:
    case = CASES[registration.name]
    with raw_server(lambda _: None) as server:
        url = server.url
    settings = Settings.model_validate({registration.name: {**case.settings, "base_url": url}})
    provider = registration.connect(settings, settings.provider(registration.name), MemoryTokens()).provider
    for operation in registration.operations:
        built = provider.build(case.payments[operation], case.directory)
        assert isinstance(built, Request)
        payment = replace(case.payments[operation], body=built.body, path=built.path)
        got = provider.send(payment, Auth())
        assert (got.meaning, got.provider_down) == (Meaning.NOT_SENT, True)


@pytest.mark.parametrize("registration", PAYING.values(), ids=PAYING)
def test_the_answer_table_is_total_and_never_promises_what_the_rules_do_not(registration: Registration) -> None:
    by_operation: dict[str, set[str]] = {}
    for (operation, kind), meaning in registration.answers.items():
        by_operation.setdefault(str(operation), set()).add(kind)
        safe = operation in registration.operations and registration.operations[Operation(operation)].resend_safe
        assert meaning is not Meaning.RESEND or safe, (operation, kind)
    assert set(map(str, registration.operations)) <= by_operation.keys()
    assert len({frozenset(kinds) for kinds in by_operation.values()}) == 1, "every operation knows every kind"
