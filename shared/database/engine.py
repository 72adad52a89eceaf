"""Connections to PostgreSQL: one small pool in each process, statements on psycopg's own cursors.

SQLAlchemy pools the connections; the statements run on the driver's cursors because building them with Core
costs about a seventh of the hot path's rate.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError

from shared.database import session
from shared.database.session import FROZEN_AFTER_S, driver_url
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

__all__ = ["AWAY", "Connection", "Database", "Row", "driver_url", "sqlalchemy_url"]

Row = dict[str, Any]
Connection = psycopg.Connection[Row]

POOL_WAIT_S = 30
_TELL_EVERY_S = 10.0

# PostgreSQL can't be asked now: it is down, it ended the session or our transaction (we stood still), or what answers
# is a standby after a fail-over.
AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
    SQLAlchemyError,
)


class Database:
    """A pool of autocommit connections. Thread-safe. Broken connections are replaced, not retried.

    One that is found dead says that PostgreSQL was restarted or has failed over, so all that were made before are
    replaced, too, before anybody uses them. A transaction in which this process says nothing for `frozen_after_s` is
    ended by PostgreSQL: what it holds is not held for ever. pooled: the URL is a pooler's, which has limits of its own.
    """

    def __init__(
        self,
        url: str,
        pool_size: int = 8,
        application: str = "settlepipe",
        *,
        frozen_after_s: float = FROZEN_AFTER_S,
        pooled: bool = False,
    ) -> None:
        self._url, self._frozen_after_s, self._pooled = url, frozen_after_s, pooled

        def connect() -> Connection:
            if pooled:
                return session.connect_pooled(url, application, row_factory=dict_row)
            return session.connect(url, application, row_factory=dict_row, frozen_after_s=frozen_after_s)

        self._told_at = float("-inf")
        self._dead_at = float("-inf")  # whatever was made before is dead
        self._engine = create_engine(
            "postgresql+psycopg://",
            creator=connect,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_S,
            pool_reset_on_return=None,  # autocommit: there is nothing to roll back
            _initialize=False,  # no dialect questions on the first connection: only the pool is used
        )
        event.listen(self._engine, "connect", _born)
        event.listen(self._engine, "checkout", self._must_live)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """An autocommit connection: each statement is its own transaction. Raises psycopg.OperationalError.

        Who leaves it in the middle of a transaction or a result ends its session, and so what was not committed.
        """
        pooled = self._engine.raw_connection()
        driver: Connection = pooled.driver_connection  # type: ignore[assignment]
        fit = True
        try:
            yield driver
        except psycopg.errors.ReadOnlySqlTransaction:
            fit = False
            raise
        except psycopg.errors.CannotConnectNow as error:  # `pinned()`: a session of the pooler's is not as ours are
            self._tell_wrong_session(error)
            raise
        finally:
            if driver.closed or not fit:
                self._dead_at = time.monotonic()
            if not fit or driver.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                pooled.invalidate()
            pooled.close()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Like `connection`, inside one transaction: committed at the end, rolled back on an exception."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def beside(self, pool_size: int, application: str) -> "Database":
        """Another pool on the same database, for who must not wait for a connection of this one."""
        return Database(self._url, pool_size, application, frozen_after_s=self._frozen_after_s, pooled=self._pooled)

    def dispose(self) -> None:
        """Close the pool's idle connections."""
        self._engine.dispose()

    def _tell_wrong_session(self, error: psycopg.Error) -> None:
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            log.error("a statement was refused by the database", reason=error.diag.message_primary)

    def _must_live(self, driver: Connection, record: Any, _pooled: Any) -> None:
        # Replaced by the pool, before it is handed out.
        if record.info["born"] > self._dead_at and _left(driver):
            self._dead_at = time.monotonic()
        if record.info["born"] <= self._dead_at:
            raise DisconnectionError


def _born(_driver: Connection, record: Any) -> None:
    record.info["born"] = time.monotonic()


def _left(driver: Connection) -> bool:
    """Has the server closed this idle connection? Asks our own kernel alone (microseconds)."""
    try:
        for _ in range(2):  # its farewell, then the end
            driver.pgconn.consume_input()
    except psycopg.OperationalError:
        return True
    return driver.closed


def sqlalchemy_url(database_url: str) -> str:
    """`postgresql://…` with the driver named, for who has SQLAlchemy connect."""
    return make_url(database_url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
