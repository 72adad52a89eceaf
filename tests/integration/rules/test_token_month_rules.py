"""A month of tokens on a simulated clock: none is sent expired, and nobody logs in without need.

Three processes share the fleet's row on a real PostgreSQL and call a billcenter that judges each token by the same
clock. The clock is simulated, so are the days; all else is as in production.
"""

import importlib
import json
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.fernet import Fernet

from scheduler import jobs
from shared.database.engine import Database
from shared.database.tokens import StoredTokens
from shared.providers import credentials, grants
from shared.providers.base import Connected
from shared.providers.registry import connect
from shared.settings import Settings
from tests.support.flow import World
from tests.support.memory import jwt
from tests.support.raw_server import Connection, answer, raw_server

login: Any = importlib.import_module("shared.providers.billcenter.login")  # the package has a function of that name

HOUR_S = 3600.0
DAYS = 30
ACCESS_S, REFRESH_S = 168 * HOUR_S, 30 * 24 * HOUR_S
PROCESSES = 3


@dataclass
class Simulated:
    """The time of everything in this test, the database's clock included."""

    world: World
    passed_s: float = 0.0
    began: float = field(default_factory=time.time)

    def advance(self, seconds: float) -> None:
        self.passed_s += seconds
        self.world.advance(seconds)

    def time(self) -> float:
        return self.began + self.passed_s

    def module(self) -> Any:
        return SimpleNamespace(time=self.time, monotonic=lambda: self.passed_s, sleep=time.sleep)


@dataclass
class Provider:
    """A billcenter that knows which tokens it gave, and refuses those that have ended."""

    clock: Simulated
    logins: int = 0
    refreshes: int = 0
    calls: int = 0
    refused: int = 0

    def script(self, connection: Connection) -> None:
        while (request := connection.request()) is not None:
            head, _, body = request.partition(b"\r\n\r\n")
            path = head.split()[1].decode()
            if path == "/api/token/":
                self.logins += 1
                given = {"access": self._token(ACCESS_S), "refresh": self._token(REFRESH_S)}
                connection.send(answer(200, json.dumps(given).encode()))
            elif path == "/api/token/refresh/":
                self.refreshes += 1
                assert self._alive(json.loads(body)["refresh"])
                connection.send(answer(200, json.dumps({"access": self._token(ACCESS_S)}).encode()))
            else:
                self._call(connection, head.decode())

    def _call(self, connection: Connection, head: str) -> None:
        self.calls += 1
        (line,) = (line for line in head.split("\r\n") if line.lower().startswith("authorization:"))
        if self._alive(line.rpartition(" ")[2]):
            connection.send(answer(200, b'{"count": 0, "results": []}'))
        else:
            self.refused += 1
            connection.send(answer(401, b"{}"))

    def _token(self, life_s: float) -> str:
        return jwt(self.clock.time() + life_s - time.time())

    def _alive(self, token: str) -> bool:
        end = grants.ends_at(token)
        return end is not None and end > self.clock.time()


@contextmanager
def processes(world: World, url: str, key: str) -> Iterator[list[Connected]]:
    settings = Settings.model_validate(
        {"billcenter": {"base_url": url, "username": "made-up", "password": "made-up", "bank_code": "70001"}}
    )
    pools = [Database(world.url, pool_size=2) for _ in range(PROCESSES)]
    try:
        yield [connect("billcenter", settings, StoredTokens(pool, [key])) for pool in pools]
    finally:
        for pool in pools:
            pool.dispose()


def test_over_a_month_no_token_is_sent_expired_and_logins_are_the_fewest_possible(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Simulated(world)
    monkeypatch.setattr(credentials, "time", clock.module())
    monkeypatch.setattr(login, "time", clock.module())
    provider, rng, key = Provider(clock), random.Random("tokens"), Fernet.generate_key().decode()
    with raw_server(provider.script) as server:
        hours = list(range(DAYS * 24))
        restarts = set(rng.sample(hours, 5))
        while hours:
            with processes(world, server.url, key) as fleet:
                by_hand, slot = jobs.renew("billcenter", 2 * HOUR_S), datetime.now(UTC)
                runtime: Any = SimpleNamespace(connected={"billcenter": fleet[0]}, database=world.runtime.database)
                while hours and hours.pop(0) not in restarts:
                    by_hand(runtime, slot)
                    for connected in rng.sample(fleet, rng.randint(0, PROCESSES)):
                        connected.lookups["biller_categories"].call()
                    clock.advance(HOUR_S)
    assert provider.calls > DAYS * 24
    assert provider.refused == 0
    print(f"{provider.logins} logins, {provider.refreshes} refreshes, {provider.calls} calls")
    assert provider.logins == 1, "the refresh token outlives the month"
    assert provider.refreshes == int(DAYS * 24 // 166), "one for each access token that came near its end"
