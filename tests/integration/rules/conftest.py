"""A world for each test of a rule."""

from collections.abc import Iterator

import pytest

from tests.support.flow import World, running_world


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """The flow on a database of the test's own, with scripted providers and a clock that can be moved."""
    with running_world(database_url) as world:
        yield world
