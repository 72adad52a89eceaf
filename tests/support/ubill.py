"""A scripted ubill over raw sockets, and an adapter connected to it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from shared.providers.registry import connect
from shared.settings import Settings
from shared.settings.sections import HttpSettings, UbillSettings
from tests.support.memory import SETTLE, MemoryTokens
from tests.support.paying import Paying, paying
from tests.support.raw_server import Connection, RawServer, answer, raw_server

ACCOUNT = 900001
LIST = f"/payments/account/{ACCOUNT}"
KEY = "made-up-key"
PAYMENT = replace(SETTLE, provider="ubill", currency="GEL", target={"account_id": ACCOUNT})
Route = bytes | Callable[[Connection], object]


def reply(document: Any, status: int = 200) -> bytes:
    """A JSON answer."""
    return answer(status, json.dumps(document).encode(), "Content-Type: application/json")


def row(comment: Any, amount: Any = "100", **changes: Any) -> dict[str, Any]:
    """A row of an account's payments."""
    return {
        "id": "71",
        "accountID": None,
        "balance": "0.29428571428572",
        "sum": amount,
        "comment": comment,
        "transactionID": None,
        "paySystem": "WEB",
        "apiStatus": "0",
        "typeID": "1",
        "typeName": "made up",
        "admin": "made up",
        "date": "2026-11-21 12:00:00",
        **changes,
    }


def rows(*given: Any, **changes: Any) -> bytes:
    """An account's payments."""
    return reply({"statusID": 0, "message": "Success", "data": list(given), **changes})


@dataclass
class Ubill:
    """routes: path and query to an answer, or to what is done with the connection. asked: method and path of each."""

    routes: dict[str, Route] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def script(self, connection: Connection) -> None:
        while (request := connection.request()) is not None:
            first, *lines = request.split(b"\r\n\r\n")[0].decode().split("\r\n")
            method, path, _ = first.split()
            self.asked.append(f"{method} {path}")
            self.keys += [line.split(": ", 1)[1] for line in lines if line.startswith("key:")]
            route = self.routes.get(path, answer(404, b"<html>"))
            if callable(route):
                route(connection)
                return
            connection.send(route)


@contextmanager
def ubill(
    routes: Mapping[str, Route], total_timeout_s: float = 5, **changes: Any
) -> Iterator[tuple[Paying, Ubill, RawServer]]:
    """An adapter connected to a scripted ubill."""
    fake = Ubill({f"/v1{path}": route for path, route in routes.items()})
    with raw_server(fake.script) as server:
        section = UbillSettings(**{"base_url": f"{server.url}/v1", "api_key": SecretStr(KEY), **changes})
        http = HttpSettings(connect_timeout_s=1, total_timeout_s=total_timeout_s, max_body_bytes=100_000)
        yield paying(connect("ubill", Settings(ubill=section, http=http), MemoryTokens())), fake, server
