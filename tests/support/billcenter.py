"""A scripted billcenter over raw sockets, and an adapter connected to it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from shared.providers.registry import connect
from shared.settings import Settings
from shared.settings.sections import BillcenterSettings, HttpSettings
from tests.support.memory import MemoryTokens, jwt
from tests.support.paying import Paying, paying
from tests.support.raw_server import Connection, RawServer, Script, answer, raw_server

Handler = Callable[[dict[str, str]], bytes | Script]

INVOICE: dict[str, Any] = {
    "id": 7,
    "bs_customer_code": "300001",
    "biller_category_id": 1,
    "invoice_code": "900000001",
    "amount": "0.00",
    "amount_current": "50.20",
    "amount_paid": "0.00",
    "updated_at": "2026-06-12T06:45:06.510517Z",
    "status": "PENDING",
    "biller_service": 140,
}


def reply(document: Any, status: int = 200, *headers: str) -> bytes:
    """A JSON answer."""
    return answer(status, json.dumps(document).encode(), "Content-Type: application/json", *headers)


def page(*rows: Any, count: int | None = None) -> bytes:
    return reply({"count": len(rows) if count is None else count, "results": list(rows)})


@dataclass
class Billcenter:
    """routes: last part of the path to an answer, or to a function of the query that gives one."""

    routes: dict[str, bytes | Handler] = field(default_factory=dict)
    tokens: MemoryTokens = field(default_factory=MemoryTokens)
    paths: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    def script(self, connection: Connection) -> None:
        while (request := connection.request()) is not None:
            head = request.split(b"\r\n\r\n")[0].decode()
            parts = urlsplit(head.split()[1])
            self.paths.append(head.split()[1])
            name = parts.path.removeprefix("/api/").removeprefix("third_party/").strip("/")
            lines = [line for line in head.split("\r\n") if line.lower().startswith("authorization:")]
            self.authorizations.append(lines[0].split(": ")[1] if lines else "")
            route = self.routes.get(name, answer(404, b"<html>"))
            if callable(route):
                made = route({key: values[0] for key, values in parse_qs(parts.query).items()})
            else:
                made = route
            if callable(made):
                made(connection)
                return
            connection.send(made)


@contextmanager
def billcenter(
    routes: Mapping[str, bytes | Handler], total_timeout_s: float = 5, **changes: Any
) -> Iterator[tuple[Paying, Billcenter, RawServer]]:
    """An adapter connected to a scripted billcenter that lets everyone in."""
    fake = Billcenter({"token": reply({"access": jwt(3600), "refresh": jwt(86_400)}), **routes})
    with raw_server(fake.script) as server:
        section = BillcenterSettings(
            base_url=server.url, username="made-up-user", password=SecretStr("made-up-password"), **changes
        )
        http = HttpSettings(connect_timeout_s=1, total_timeout_s=total_timeout_s, max_body_bytes=100_000)
        yield paying(connect("billcenter", Settings(billcenter=section, http=http), fake.tokens)), fake, server
