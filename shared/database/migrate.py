"""Bring a database to the schema that this version of the code expects, in one piece or in halves.

A migration never makes traffic wait for longer than LOCK_S: what it locks it gets within that time, or it is rolled
back, lets the others go first, and is tried again.
"""

import io
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from shared.database import session, version
from shared.database.version import PRE, Migration, Schema, WrongSchema
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

# How long a migration waits for a lock: whoever comes after it waits behind it. Shorter than PostgreSQL's
# deadlock_timeout (1 s): in what would be a deadlock it is rather the migration that gives way than a payment.
LOCK_S = 0.9
KEEP_TRYING_S = 600.0
_PAUSE_S = (0.5, 3.0)
_IN_THE_WAY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


class Blocked(Exception):  # noqa: N818 - says what is
    """A migration's lock could not be had in all that time. The message is a sentence that says what to do."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("version_locations", str(version.FOLDER))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(
    database_url: str,
    frozen_after_s: float = session.FROZEN_AFTER_S,
    *,
    half: str | None = None,
    keep_trying_s: float = KEEP_TRYING_S,
) -> None:
    """Run the migrations that are missing, or those of one half. Safe to run at the same time from several processes:
    one does it, the others wait for it. One that stands still for `frozen_after_s` loses its turn, and what it did not
    commit.

    Raises WrongSchema for a schema that a newer settlepipe made, and where the other half has to run first; Blocked;
    what psycopg and SQLAlchemy raise; session.Unusable is a database that can't be used as it is.
    """
    config = _config()
    with session.connect(database_url, "settlepipe migrations") as looked_at:
        target = to_run(version.look(looked_at), half)
    with connected(database_url, frozen_after_s) as connection:
        config.attributes["connection"] = connection
        if half is None or target:
            upto = "head" if half is None else target[-1].version
            _patiently(connection, lambda: command.upgrade(config, upto), keep_trying_s)
        _patiently(connection, lambda: _works_now(connection), keep_trying_s)


def to_run(schema: Schema | None, half: str | None) -> tuple[Migration, ...]:
    """The migrations that would run, in their order: all that are missing, or those of one half.

    Raises WrongSchema for a newer settlepipe's schema, and where one of the other half has to run before.
    """
    version.no_newer(schema)
    missing = version.pending(schema.version if schema else None)
    if half is None:
        return missing
    count = next((number for number, one in enumerate(missing) if one.half != half), len(missing))
    left = [one.version for one in missing[count:] if one.half == half]
    if left and half == PRE:
        raise WrongSchema(
            f"the migration {missing[count].version} is of the half post and comes before {left[-1]}, which is of the"
            " half pre; end the release before this one first: settlepipe db upgrade --post, when no older code runs"
        )
    if left and not count:
        raise WrongSchema(
            f"the migration {missing[0].version} is of the half pre and comes before {left[0]}; run settlepipe db"
            " upgrade --pre and restart the processes first"
        )
    return missing[:count]


def sql(database_url: str, half: str | None = None) -> str:
    """The statements that `upgrade` would run, for psql; empty where nothing would. Raises what `upgrade` does."""
    with session.connect(database_url, "settlepipe migrations") as looked_at:
        schema = version.look(looked_at)
    target = to_run(schema, half)
    if not target:
        return ""
    config = _config()
    config.output_buffer = io.StringIO()
    command.upgrade(config, f"{schema.version}:{target[-1].version}" if schema else target[-1].version, sql=True)
    return config.output_buffer.getvalue()


def _patiently(connection: Connection, step: Callable[[], None], keep_trying_s: float) -> None:
    """Do it again while somebody holds what it would lock. Alembic goes on where it was: after what it committed."""
    end, number = time.monotonic() + keep_trying_s, 0
    while True:
        try:
            return step()
        except DBAPIError as error:
            if not isinstance(error.orig, _IN_THE_WAY):
                raise
            connection.rollback()
            number += 1
            if time.monotonic() > end:
                raise Blocked(
                    f"a migration could not lock what it changes: in {number} tries somebody held it for more than"
                    f" {LOCK_S:g} s; nothing of it was kept: see who (pg_stat_activity), and run it again"
                ) from None
            log.warning("a migration lets others go first, and is tried again", tried=number)
        time.sleep(random.uniform(*_PAUSE_S))  # noqa: S311 - not for secrets


def _works_now(connection: Connection) -> None:
    """Where nothing but post migrations are missing, this code can work."""
    schema = version.look(connection.connection.driver_connection)  # type: ignore[arg-type]
    mine = version.known()[-1]
    if schema is None or schema.version < version.RANGE_SINCE or schema.most >= mine:
        connection.rollback()
        return
    if all(one.half != PRE for one in version.pending(schema.version)):
        connection.execute(text("UPDATE public.code_range SET most = :mine"), {"mine": mine})
    connection.commit()


@contextmanager
def connected(database_url: str, frozen_after_s: float = session.FROZEN_AFTER_S) -> Iterator[Connection]:
    """A connection for Alembic: a session like every other, with any time for a statement."""
    made = session.connect(
        database_url, "settlepipe migrations", statement_s=0, idle_s=frozen_after_s, frozen_after_s=frozen_after_s
    )
    made.autocommit = False  # SQLAlchemy says when
    with create_engine("postgresql+psycopg://", creator=lambda: made, poolclass=NullPool).connect() as connection:
        yield connection
