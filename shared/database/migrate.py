"""Bring a database to the schema that this version of the code expects."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from shared.database import session, version


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(database_url: str, frozen_after_s: float = session.FROZEN_AFTER_S) -> None:
    """Run the migrations that are missing. Safe to run at the same time from several processes: one does it, the others
    wait for it. One that stands still for `frozen_after_s` loses its turn, and what it did not commit.

    Raises WrongSchema for one that a newer settlepipe made; what psycopg and SQLAlchemy raise; session.Unusable is a
    database that can't be used as it is.
    """
    config = _config()
    with session.connect(database_url, "settlepipe migrations") as looked_at:
        version.no_newer(looked_at)
    with connected(database_url, frozen_after_s) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def connected(database_url: str, frozen_after_s: float = session.FROZEN_AFTER_S) -> Iterator[Connection]:
    """A connection for Alembic: a session like every other, with any time for a statement."""
    made = session.connect(
        database_url, "settlepipe migrations", statement_s=0, idle_s=frozen_after_s, frozen_after_s=frozen_after_s
    )
    made.autocommit = False  # SQLAlchemy says when
    with create_engine("postgresql+psycopg://", creator=lambda: made, poolclass=NullPool).connect() as connection:
        yield connection
