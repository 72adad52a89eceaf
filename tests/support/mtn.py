"""A scripted mtn over raw sockets, and an adapter connected to it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from shared.providers.registry import connect
from shared.settings import Settings
from shared.settings.sections import HttpSettings, MtnSettings
from tests.support.memory import MTN_SETTLE, MemoryTokens
from tests.support.paying import Paying, paying
from tests.support.raw_server import Connection, RawServer, Script, answer, raw_server

Handler = Callable[["Seen"], bytes | Script]

OAUTH: dict[str, Any] = {"client_id": "made-up-client", "client_secret": "made-up-secret"}
KEY: dict[str, Any] = {"api_key": "made-up-key"}
OWN = MTN_SETTLE.sent_reference
EARLIER = "bhh3qve5rm6hbge9d6kg"
OTHERS = "bhh3qve5wrypb2p08c9x"


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeMtn:
    """routes: `login`, `read` and `settle` to an answer, or to a function of the request that gives one."""

    routes: dict[str, bytes | Handler] = field(default_factory=dict)
    tokens: MemoryTokens = field(default_factory=MemoryTokens)
    seen: list[Seen] = field(default_factory=list)

    def script(self, connection: Connection) -> None:
        while (request := connection.request()) is not None:
            head, _, body = request.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            method, target, _ = first.split()
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            seen = Seen(method, target, headers, body)
            self.seen.append(seen)
            kind = "login" if target == "/v1/oauth/access_token" else "read" if method == "GET" else "settle"
            route = self.routes.get(kind, answer(404))
            made = route(seen) if callable(route) else route
            if callable(made):
                made(connection)
                return
            connection.send(made)

    def asked(self, method: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == method and "oauth" not in seen.target]


def reply(document: Any, status: int = 200) -> bytes:
    """A JSON answer."""
    return answer(status, json.dumps(document).encode(), "Content-Type: application/json")


def error(status: int, message: str = "made up") -> bytes:
    """The documented `Error`."""
    document = {
        "timestamp": "2026-11-21T03:24:13Z", "status": str(status), "error": "made up", "message": message,
        "path": "/v1/customerBill/700001",
    }  # fmt: skip
    return reply(document, status)


def paid(marker: str | None = OWN, amount: str = "100.00", day: str = "2026-11-21", **changes: Any) -> dict[str, Any]:
    """One payment of the list, its reference where the document defines it."""
    references = [{"referenceId": marker, "referenceType": "PaymentRef"}] if marker else []
    return {
        "id": "P-1",
        "paymentRef": references,
        "transactionDate": day,
        "paidAmount": {"amount": amount, "unit": "ZAR"},
    } | changes


def bill(*payments: Any, **changes: Any) -> dict[str, Any]:
    """`data` of a `paidBill` by id."""
    return {
        "id": "700001",
        "appliedPayment": {"idType": "Account Number", "id": "700001", "payment": list(payments)},
    } | changes


def listed(*payments: Any) -> bytes:
    return reply({"result": {"resultCode": "0000", "resultDescription": "done"}, "data": bill(*payments)})


def token(access: str = "made-up-token", expires_in: Any = 3600) -> bytes:
    return reply({"access_token": access, "token_type": "Bearer", "expires_in": expires_in})


@contextmanager
def mtn(
    routes: Mapping[str, bytes | Handler], total_timeout_s: float = 5, **changes: Any
) -> Iterator[tuple[Paying, FakeMtn, RawServer]]:
    """An adapter connected to a scripted mtn; with an OAuth2 client where `changes` name no credentials."""
    fake = FakeMtn({"login": token(), **routes})
    with raw_server(fake.script) as server:
        credentials = {} if changes.keys() & {"api_key", "client_id"} else OAUTH
        section = MtnSettings.model_validate({"base_url": f"{server.url}/v1", **credentials, **changes})
        http = HttpSettings(connect_timeout_s=1, total_timeout_s=total_timeout_s, max_body_bytes=100_000)
        yield paying(connect("mtn", Settings(mtn=section, http=http), fake.tokens)), fake, server
