"""A world for each test of a rule."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from shared.database.engine import Database
from tests.conftest import migrated_copy
from tests.support.flow import POOLS, World, running_world


@pytest.fixture(scope="session")
def rules_url(servers: object, template: str) -> Iterator[str]:
    """One database for all these tests: emptying it is ten times as fast as copying another."""
    for url in migrated_copy(servers, template):  # type: ignore[arg-type]
        POOLS[url] = Database(url, pool_size=8)
        yield url
        POOLS.pop(url).dispose()


@pytest.fixture
def _waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that is drawn at random between 0 and some seconds is half of them: never over at once by chance."""
    monkeypatch.setattr("shared.domain.backoff.random", SimpleNamespace(uniform=lambda low, high: (low + high) / 2))


@pytest.fixture
def world(rules_url: str, _waits: None) -> Iterator[World]:
    """The flow on an empty database, with scripted providers and a clock that can be moved."""
    with running_world(rules_url) as world:
        yield world


@pytest.fixture
def own_world(database_url: str) -> Iterator[World]:
    """The same on a database of the test's own, for tests that change the database itself."""
    with running_world(database_url) as world:
        yield world
