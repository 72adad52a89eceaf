"""turn: the only right to compare a provider's books."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.database import locks, session
from shared.database.session import FROZEN_AFTER_S


class Busy(Exception):  # noqa: N818 - says what happened
    """Somebody else compares this provider's books at this moment. The message says what to do."""


@contextmanager
def turn(database_url: str, provider: str, frozen_after_s: float = FROZEN_AFTER_S) -> Iterator[Callable[[], None]]:
    """The only right to compare this provider's books, for the time of the block. Raises Busy.

    Gives a function that raises psycopg.OperationalError when the right was lost: PostgreSQL was restarted, or this
    process stood still for `frozen_after_s`. To be called before whatever only its holder may do. A killed holder
    loses the right at once.
    """
    key = locks.of_name(provider)
    with session.connect(database_url, "settlepipe night", idle_s=frozen_after_s) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s::int)", (locks.NIGHT, key)).fetchone()
        if not (row and row[0]):
            raise Busy(f"the books of {provider} are being compared at this moment; try again when that is done")

        with session.kept(connection, frozen_after_s) as held:
            yield held
