"""What one process at a time may do: a row with a lease, by the database's clock.

Its holder renews it while it lives and gives it back at a normal end; whoever finds it expired takes it. So it holds
behind a pooler, where a session's lock is anybody's, and is over soon after its holder was killed, or froze. Nothing
keeps a frozen holder from waking in the middle of its work: what it writes then is refused by the lease's number, which
grows with each holder, whatever the clocks do. A holder that lost nothing but time goes on: the number is its own.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from shared.database.engine import AWAY, Connection, Database
from shared.database.locks import Right
from shared.database.statements import statements

_SQL = statements(__file__)

LENGTH_S = 10.0  # how long others wait for a holder that was killed
_RENEWALS = 4  # in a lease's length
_LOOK_S = 0.2


class LeaseLost(psycopg.OperationalError):
    """Somebody else holds it by now. Like a database that went away: nothing was written, begin anew."""

    def __init__(self, name: str) -> None:
        super().__init__(f"this process stood still for so long that another one has the right to {name}")


@dataclass(slots=True)
class Lease:
    """A right that this process holds. number: higher than that of every holder before it. lost: `kept` found that
    somebody else has it."""

    name: str
    number: int
    length_s: float
    renewed_s: float = field(default_factory=time.monotonic)
    lost: bool = False


def take(connection: Connection, right: Right, length_s: float = LENGTH_S, *, above: int = 0) -> Lease | None:
    """The right, if nobody holds it. Autocommit. above: its number is higher than this one, too."""
    asked_s = time.monotonic()
    if live(connection, right):
        return None
    given = {"name": right.name, "length_s": length_s, "above": above}
    old = {"kind": right.kind, "group": right.group, "key": right.key}
    row = connection.execute(_SQL["take"], given | old).fetchone()
    return None if row is None else Lease(right.name, row["number"], length_s, asked_s)


def wait(database: Database, right: Right, length_s: float = LENGTH_S) -> Lease | None:
    """The same for who has time: waits for a lease that nobody renews to expire. None: its holder lives."""
    seen, ends_s = None, time.monotonic() + 3 * max(length_s, LENGTH_S)
    while True:
        with database.connection() as connection:
            row = connection.execute(_SQL["look"], {"name": right.name}).fetchone()
            lease = take(connection, right, length_s)
        until = row["until"] if row else None
        if lease is not None or (seen is not None and until != seen) or time.monotonic() > ends_s:
            return lease
        seen = until
        time.sleep(_LOOK_S)


def live(connection: Connection, right: Right) -> bool:
    """Does somebody hold it, as far as its time says?"""
    row = connection.execute(_SQL["look"], {"name": right.name}).fetchone()
    return bool(row and row["live"])


def keep(connection: Connection, lease: Lease) -> None:
    """Renew it, if a part of its time has passed. To be called again and again. Raises LeaseLost."""
    if time.monotonic() - lease.renewed_s >= lease.length_s / _RENEWALS:
        renew(connection, lease)


def renew(connection: Connection, lease: Lease) -> None:
    """Raises LeaseLost."""
    asked_s = time.monotonic()
    if connection.execute(_SQL["renew"], _given(lease)).rowcount == 0:
        raise LeaseLost(lease.name)
    lease.renewed_s = asked_s


def give_back(connection: Connection, lease: Lease) -> None:
    """It is the next one's at once. Does nothing when it is another one's already."""
    connection.execute(_SQL["give_back"], _given(lease))


@contextmanager
def kept(database: Database, lease: Lease, most_s: float = float("inf")) -> Iterator[None]:
    """Renew it from a thread for as long as the block takes, `most_s` at most, then give it back. That this process
    lost it is found out by who asks (`renew`, `Fenced`)."""
    ended, ends_s = threading.Event(), time.monotonic() + most_s

    def renews() -> None:
        while not ended.wait(lease.length_s / _RENEWALS) and time.monotonic() < ends_s:
            try:
                with database.connection() as connection:
                    renew(connection, lease)
            except LeaseLost:
                lease.lost = True
                return
            except AWAY:
                continue

    thread = threading.Thread(target=renews, name=f"keeps-{lease.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        try:
            with database.connection() as connection:
                give_back(connection, lease)
        except AWAY:
            pass  # it expires


class Fenced(Database):
    """A database whose transactions commit under a lease alone: each looks, last, whether the number is still the
    newest, and keeps it so until it has committed. Raises LeaseLost there; psycopg.errors.SerializationFailure says
    the same where a transaction sees all as of its beginning."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database, self._lease = database, lease

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """As the database's own: nothing is looked at."""
        with self._database.connection() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        with self._database.transaction() as connection:
            yield connection
            reads = connection.execute(_SQL["reads"]).fetchone()
            if reads and reads["alone"]:  # there is nothing to commit, and no row may be locked
                return
            if connection.execute(_SQL["writes"], _given(self._lease)).fetchone() is None:
                raise LeaseLost(self._lease.name)

    def beside(self, pool_size: int, application: str) -> Database:
        """As the database's own: its transactions are not fenced."""
        return self._database.beside(pool_size, application)

    def dispose(self) -> None:
        self._database.dispose()


def _given(lease: Lease) -> dict[str, object]:
    return {"name": lease.name, "number": lease.number, "length_s": lease.length_s}
