"""A world for each test of a rule."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from shared.database.engine import Database
from shared.messaging.events_stream import cloud_event
from tests.conftest import migrated_copy
from tests.support.contract import assert_kept
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
def world(rules_url: str, _waits: None, request: pytest.FixtureRequest) -> Iterator[World]:
    """The flow on an empty database, with scripted providers and a clock that can be moved. The events that a test
    brought about are as their schemas say."""
    with running_world(rules_url) as world:
        yield world
        if request.node.get_closest_marker("made_up_rows") is None:
            assert_kept(map(json.loads, map(cloud_event, world.rows(_EVENTS))))


# Of many the last ones.
_EVENTS = "SELECT event_id, type, subject, data::text AS data, created_at FROM events ORDER BY id DESC LIMIT 50"


@pytest.fixture
def own_world(database_url: str) -> Iterator[World]:
    """The same on a database of the test's own, for tests that change the database itself."""
    with running_world(database_url) as world:
        yield world
