"""forms: a form that was sent is done once, however often it comes. Its token is kept in the deed's own transaction, so
neither is there without the other: a process that dies in between did nothing, and the form may be sent again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.database.engine import Connection, Database
from shared.database.statements import statements

_SQL = statements(__file__)


class DoneBefore(Exception):  # noqa: N818 - says what is so
    """This form was sent before, and what came of it stands: it was done, or refused with a record of that. Nothing was
    changed."""


class Once(Database):
    """A database for one form: the first transaction of its deed keeps the form's token. allowed: asked first in that
    one; raises what is to end it."""

    def __init__(self, database: Database, token: str, name: str, allowed: Callable[[Connection], None]) -> None:
        self._database, self._token, self._name, self._allowed = database, token, name, allowed
        self._kept = False

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """As the database's own."""
        with self._database.connection() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """As the database's own. Raises DoneBefore, and what `allowed` does."""
        with self._database.transaction() as connection:
            if not self._kept:
                self._allowed(connection)
                keep(connection, self._token, self._name)
            yield connection
        self._kept = True

    def beside(self, pool_size: int, application: str) -> Database:
        """As the database's own."""
        return self._database.beside(pool_size, application)

    def dispose(self) -> None:
        """Nothing: it has no connections of its own."""


def keep(connection: Connection, token: str, name: str) -> None:
    """In the caller's transaction. Raises DoneBefore."""
    if connection.execute(_SQL["keep"], {"token": token, "name": name}).rowcount == 0:
        raise DoneBefore
