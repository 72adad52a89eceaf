"""turn: the only right to compare a provider's books."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.database import leases, locks
from shared.database.engine import Database
from shared.database.leases import Fenced


class Busy(Exception):  # noqa: N818 - says what happened
    """Somebody else compares this provider's books at this moment. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Turn:
    """held: raises LeaseLost (a psycopg.OperationalError) when the right was lost: this process stood still for
    `length_s`, and another one came. To be called before whatever only its holder may do. database: its transactions
    commit in this turn alone."""

    held: Callable[[], None]
    database: Fenced


@contextmanager
def turn(database: Database, provider: str, length_s: float = leases.LENGTH_S) -> Iterator[Turn]:
    """The only right to compare this provider's books, for the time of the block. Raises Busy.

    It outlives a restart of PostgreSQL. Of a holder that was killed it is over after `length_s`, and waited for.
    """
    own = database.beside(1, "settlepipe night")  # the pool's connections may all be busy for long
    try:
        lease = leases.wait(own, locks.night(provider), length_s)
        if lease is None:
            raise Busy(f"the books of {provider} are being compared at this moment; try again when that is done")

        def held() -> None:
            with own.connection() as connection:
                leases.renew(connection, lease)

        with leases.kept(own, lease):
            yield Turn(held, Fenced(database, lease))
    finally:
        own.dispose()
