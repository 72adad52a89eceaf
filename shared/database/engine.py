"""Connections to PostgreSQL: one small pool in each process, none in a command; statements on psycopg's own cursors.

SQLAlchemy pools the connections (`pool`); the statements run on the driver's cursors because building them with Core
costs about a seventh of the hot path's rate.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

from shared.database import session
from shared.database.session import FROZEN_AFTER_S, driver_url
from shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from shared.database.pool import Pool

log = get_logger(__name__)

__all__ = ["AWAY", "Connection", "Database", "Row", "driver_url"]

Row = dict[str, Any]
Connection = psycopg.Connection[Row]

_TELL_EVERY_S = 10.0

# PostgreSQL can't be asked now: it is down, all connections of the pool are in use, it ended the session or our
# transaction (we stood still), or what answers is a standby after a fail-over.
AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)


class Database:
    """A pool of autocommit connections. Thread-safe. Broken connections are replaced, not retried.

    pool_size: None: there is no pool; who asks for a connection has one made, which is closed at the end. A transaction
    in which this process says nothing for `frozen_after_s` is ended by PostgreSQL: what it holds is not held for ever.
    pooled: the URL is a pooler's, which has limits of its own.
    """

    def __init__(
        self,
        url: str,
        pool_size: int | None = 8,
        application: str = "settlepipe",
        *,
        frozen_after_s: float = FROZEN_AFTER_S,
        pooled: bool = False,
    ) -> None:
        self._url, self._application, self._frozen_after_s, self._pooled = url, application, frozen_after_s, pooled
        self._told_at = float("-inf")
        self._pool = None if pool_size is None else _pool(self._connect, pool_size)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """An autocommit connection: each statement is its own transaction. Raises psycopg.OperationalError.

        Who leaves it in the middle of a transaction or a result ends its session, and so what was not committed.
        """
        with self._pool.lent() if self._pool else closing(self._connect()) as driver:
            try:
                yield driver
            except psycopg.errors.CannotConnectNow as error:  # `pinned()`: a session of the pooler's is not as ours are
                self._tell_wrong_session(error)
                raise

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
        if self._pool:
            self._pool.dispose()

    def _connect(self) -> Connection:
        if self._pooled:
            return session.connect_pooled(self._url, self._application, row_factory=dict_row)
        return session.connect(self._url, self._application, row_factory=dict_row, frozen_after_s=self._frozen_after_s)

    def _tell_wrong_session(self, error: psycopg.Error) -> None:
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            log.error("a statement was refused by the database", reason=error.diag.message_primary)


def _pool(connect: Callable[[], Connection], size: int) -> "Pool":
    from shared.database.pool import Pool  # noqa: PLC0415 - what it imports is dear, and who has no pool does without

    return Pool(connect, size)
