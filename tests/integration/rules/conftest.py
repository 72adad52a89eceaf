"""A world for each test of a rule."""

from collections.abc import Iterator

import pytest

from tests.conftest import migrated_copy
from tests.support.flow import World, running_world


@pytest.fixture(scope="session")
def rules_url(servers: object, template: str) -> Iterator[str]:
    """One database for all these tests: emptying it is ten times as fast as copying another."""
    yield from migrated_copy(servers, template)  # type: ignore[arg-type]


@pytest.fixture
def world(rules_url: str) -> Iterator[World]:
    """The flow on an empty database, with scripted providers and a clock that can be moved."""
    with running_world(rules_url) as world:
        yield world


@pytest.fixture
def own_world(database_url: str) -> Iterator[World]:
    """The same on a database of the test's own, for tests that change the database itself."""
    with running_world(database_url) as world:
        yield world
