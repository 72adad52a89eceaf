"""Every look-up and every refresh of every provider: whatever goes wrong on the wire ends in a sentence for people."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from shared.providers.base import Connected, LookupFailed, RefreshFailed, Registration
from shared.providers.registry import REGISTRATIONS
from shared.settings import Settings
from tests.providers.contract.cases import CASES
from tests.support.memory import MemoryTokens, jwt
from tests.support.raw_server import Connection, answer, raw_server

Wrong = Callable[[Connection], object]


def answered(status: int, body: bytes = b"") -> Wrong:
    return lambda connection: connection.send(answer(status, body))


# What happens after a read's request has come.
WIRE: Mapping[str, Wrong] = {
    "time-out": lambda c: c.hang(),
    "reset": lambda c: c.reset(),
    "cut in the body": lambda c: c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
    "not HTTP": lambda c: c.send(b"220 ready\r\n\r\n"),
    "truncated JSON": answered(200, b'{"id": 1, "am'),
    "HTML with 200": answered(200, b"<html><body>502 Bad Gateway</body></html>"),
    "deep JSON": answered(200, b"[" * 50_000),
    "endless body": answered(200, b"x" * 200_000),
    "401": answered(401),
    "403": answered(403),
    "404": answered(404, b"{}"),
    "500": answered(500, b'{"detail": "made up"}'),
}
LOGIN = {
    "access": jwt(3600),
    "refresh": jwt(7200),
    "access_token": "made-up",
    "token_type": "Bearer",
    "expires_in": 3600,
}
# For required parameters: by name where not every value is right, else by type.
GIVEN: Mapping[str | type, Any] = {
    str: "1",
    int: 1,
    bool: True,
    float: 1.0,
    "report_name": "biller_count",
    "date": "2031-01-31",
}


def behind_the_login(wrong: Wrong, asked: list[bytes]) -> Callable[[Connection], None]:
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


def call(connected: Connected, kind: str, name: str) -> object:
    if kind == "refresh":
        return list(connected.refreshes[name]())
    parameters = connected.lookups[name].parameters
    return connected.lookups[name].call(
        **{key: GIVEN.get(key, GIVEN[of]) for key, (of, required, _) in parameters.items() if required}
    )


def on(registration: Registration, url: str) -> Connected:
    case = CASES.get(registration.name)
    section = {**(case.settings if case else {}), "base_url": url}
    limits = {"connect_timeout_s": 0.5, "total_timeout_s": 0.3, "max_body_bytes": 100_000}
    settings = Settings.model_validate({registration.name: section, "http": limits})
    return registration.connect(settings, settings.provider(registration.name), MemoryTokens())


READS = [
    pytest.param(registration, kind, name, id=f"{provider}-{kind}-{name}")
    for provider, registration in REGISTRATIONS.items()
    for kind, names in (
        ("lookup", on(registration, "http://127.0.0.1:1").lookups),
        ("refresh", on(registration, "http://127.0.0.1:1").refreshes),
    )
    for name in names
]


@pytest.mark.parametrize(("registration", "kind", "name"), READS)
@pytest.mark.parametrize("wrong", WIRE)
def test_what_goes_wrong_on_the_wire_is_one_sentence(
    registration: Registration, kind: str, name: str, wrong: str
) -> None:
    asked: list[bytes] = []
    with raw_server(behind_the_login(WIRE[wrong], asked)) as server:
        connected = on(registration, server.url)
        with pytest.raises(RefreshFailed if kind == "refresh" else LookupFailed, match=r"^[^\n]+$"):
            call(connected, kind, name)
    assert asked


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
