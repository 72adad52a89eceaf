"""The HTTP door as a process of its own, on the tests' servers, and who comes by it."""

import http.client
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from deploy.local.home import free_ports
from shared.database.engine import Database
from shared.people import keys
from shared.settings import PREFIX
from tests.support.by_itself import LANE, NEEDED, ByItself, forked, running_of
from tests.support.contract import assert_kept
from tests.support.patience import PATIENCE

SETTLE: Mapping[str, Any] = {
    "source": "shop",
    "provider": "mtn",
    "operation": "settle",
    "amount": "100.00",
    "currency": "GHS",
    "paid_at": "2026-11-21T03:24:12.133606Z",
    "target": {"id_type": "Account Number", "id": "00700001", "customer_type": 2},
}


def intent(intent_id: str, **changes: Any) -> dict[str, Any]:
    """A made-up one of the source `shop`."""
    return {"intent_id": intent_id, **SETTLE, **changes}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Client:
    """Asks a door, with a key or without."""

    port: int
    key: str | None = None
    timeout_s: float = 60

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """body: bytes as they are, anything else as JSON. A header's name has _ for -."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if raw is not None:
            given = {"Content-Type": "application/json", **given}
        if self.key is not None:
            given = {"Authorization": f"Bearer {self.key}", **given}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout_s * PATIENCE)
        try:
            connection.request(method, path, raw, given)
            found = connection.getresponse()
            answer = Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        finally:
            connection.close()
        if answer.status == 200 and path.startswith("/v1/events?"):
            assert_kept(answer.told["events"])
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.ask("POST", path, body, **headers)

    def submit(self, *intents: Mapping[str, Any]) -> Answer:
        """One as it is, several as a batch."""
        return self.post("/v1/intents", intents[0] if len(intents) == 1 else {"intents": list(intents)})


@dataclass(frozen=True)
class Door:
    """A door that is open."""

    one: ByItself
    port: int
    database_url: str

    def client(self, source: str | None = "shop") -> Client:
        """Somebody of this source, with a fresh key; None: without one."""
        return Client(self.port, None if source is None else new_key(self.database_url, source)[1])


def new_key(database_url: str, source: str) -> tuple[int, str]:
    """A key of this source: its number, and itself."""
    database = Database(database_url, pool_size=1)
    try:
        with database.transaction() as connection:
            return keys.create(connection, source, by="Ann")
    finally:
        database.dispose()


def set_here() -> dict[str, str]:
    """The settings in this process's environment, for a door that is to have them."""
    return {name.removeprefix(PREFIX): text for name, text in os.environ.items() if name.startswith(PREFIX)}


@contextmanager
def door(database_url: str, broker_url: str, folder: Path, **settings: str) -> Iterator[Door]:
    """The process `web`, ready; it is killed at the end of the block."""
    given = _settings(database_url, broker_url, settings)
    with forked("web", folder, **given) as one:
        yield _open(one, given)


@contextmanager
def door_of(tree: Path, database_url: str, broker_url: str, folder: Path, **settings: str) -> Iterator[Door]:
    """The same by `settlepipe run web` of the product whose code is in `tree`."""
    given = _settings(database_url, broker_url, settings)
    with running_of(tree, "web", folder, **given) as one:
        yield _open(one, given)


def _settings(database_url: str, broker_url: str, more: Mapping[str, str]) -> dict[str, str]:
    (port,) = free_ports(1)
    servers = {"DATABASE_URL": database_url, "BROKER_URL": broker_url}
    return {**NEEDED, **LANE, **servers, "WEB__PORT": str(port), **more}


def _open(one: ByItself, given: Mapping[str, str]) -> Door:
    one.wait_up()
    return Door(one, int(given["WEB__PORT"]), given["DATABASE_URL"])


def carried(database_url: str) -> None:
    """Have all events carried, as the relay does."""
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM outbox")


def within(seconds: float, look: Any) -> Any:
    """What `look` gives, when it first is something."""
    end = time.monotonic() + seconds * PATIENCE
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found
