"""Whose key it is: one look for all who ask at the same time, and keys that open nothing cost no other caller."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from worker.web import callers
from worker.web.callers import Callers
from worker.web.limits import Work
from worker.web.problems import Problem


class Keys:
    """The table of keys; a look at it waits for `ended`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks: list[str] = []
        self.ended = threading.Event()
        monkeypatch.setattr(callers, "keys", SimpleNamespace(opened=self.opened))

    def opened(self, _connection: Any, key: str) -> tuple[int, str] | None:
        self.looks.append(key)
        assert self.ended.wait(60)
        return (1, "shop") if key == "good" else None


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Keys:
    return Keys(monkeypatch)


def known() -> Callers:
    database: Any = SimpleNamespace(connection=threading.Lock)  # some context
    return Callers(lambda: database, Work(4, 10, 60))


def test_a_thousand_who_ask_at_once_by_one_key_share_one_look(keys: Keys) -> None:
    async def ask() -> set[str]:
        asks = known()
        asked = [asyncio.ensure_future(asks.of("Bearer good")) for _ in range(1000)]
        await asyncio.sleep(0)
        keys.ended.set()
        return {caller.source for caller in await asyncio.gather(*asked)}

    assert asyncio.run(ask()) == {"shop"}
    assert keys.looks == ["good"]


def test_who_gives_up_takes_the_look_from_nobody(keys: Keys) -> None:
    async def ask() -> str:
        asks = known()
        first, second = (asyncio.ensure_future(asks.of("Bearer good")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        keys.ended.set()
        return (await second).source

    assert asyncio.run(ask()) == "shop"
    assert keys.looks == ["good"]


def test_a_key_that_opens_nothing_is_looked_up_again_and_tries_are_limited(keys: Keys) -> None:
    keys.ended.set()

    async def ask() -> list[int]:
        asks, found = known(), []
        for _ in range(300):
            with pytest.raises(Problem) as problem:
                await asks.of("Bearer bad")
            found.append(problem.value.status)
        return found

    found = asyncio.run(ask())
    assert found[:200] == [401] * 200
    assert 429 in found
