"""A database for the model's games, watched by triggers of its own."""

from collections.abc import Iterator

import pytest

from shared.database import session
from shared.database.engine import Database
from tests.conftest import migrated_copy
from tests.support.flow import POOLS
from tests.support.model.invariants import WATCHED


@pytest.fixture(scope="session")
def model_url(servers: object, template: str) -> Iterator[str]:
    """Each game empties it."""
    for url in migrated_copy(servers, template):  # type: ignore[arg-type]
        with session.connect(url, "test") as connection:
            connection.execute(WATCHED)
        POOLS[url] = Database(url, pool_size=8)
        yield url
        POOLS.pop(url).dispose()
