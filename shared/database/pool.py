"""The pool of a process's connections: SQLAlchemy's, with the rule of who is replaced.

Apart from `engine`, because SQLAlchemy costs a command a fifth of its time to import, and a command has no pool.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import create_engine, event
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError

POOL_WAIT_S = 30


class NoneFree(psycopg.OperationalError):
    """No connection of the pool came free within POOL_WAIT_S, or none that lives."""


class Pool:
    """At most `size` connections, made by `connect` when they are needed. Thread-safe.

    One that is found dead says that PostgreSQL was restarted or has failed over, so all that were made before are
    replaced, too, before anybody uses them.
    """

    def __init__(self, connect: Callable[[], "psycopg.Connection[Any]"], size: int) -> None:
        self._dead_at = float("-inf")  # whatever was made before is dead
        self._engine = create_engine(
            "postgresql+psycopg://",
            creator=connect,
            pool_size=size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_S,
            pool_reset_on_return=None,  # autocommit: there is nothing to roll back
            _initialize=False,  # no dialect questions on the first connection: only the pool is used
        )
        event.listen(self._engine, "connect", _born)
        event.listen(self._engine, "checkout", self._must_live)

    @contextmanager
    def lent(self) -> Iterator["psycopg.Connection[Any]"]:
        """One of them until the block ends. Raises psycopg.OperationalError; NoneFree is one.

        Who leaves it in the middle of a transaction or a result ends its session, and so what was not committed.
        """
        try:
            pooled = self._engine.raw_connection()
        except SQLAlchemyError as error:
            raise NoneFree(f"no connection to the database came free: {error}") from error
        driver: psycopg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
        fit = True
        try:
            yield driver
        except psycopg.errors.ReadOnlySqlTransaction:
            fit = False
            raise
        finally:
            if driver.closed or not fit:
                self._dead_at = time.monotonic()
            if not fit or driver.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                pooled.invalidate()
            pooled.close()

    def dispose(self) -> None:
        """Close those that are idle."""
        self._engine.dispose()

    def _must_live(self, driver: "psycopg.Connection[Any]", record: Any, _pooled: Any) -> None:
        # Replaced by the pool, before it is handed out.
        if record.info["born"] > self._dead_at and _left(driver):
            self._dead_at = time.monotonic()
        if record.info["born"] <= self._dead_at:
            raise DisconnectionError


def _born(_driver: "psycopg.Connection[Any]", record: Any) -> None:
    record.info["born"] = time.monotonic()


def _left(driver: "psycopg.Connection[Any]") -> bool:
    """Has the server closed this idle connection? Asks our own kernel alone (microseconds)."""
    try:
        for _ in range(2):  # its farewell, then the end
            driver.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return driver.closed
