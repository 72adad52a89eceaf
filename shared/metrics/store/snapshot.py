"""One moment of the database, read and left as it is."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from shared.database.engine import Connection, Database


@contextmanager
def snapshot(database: Database, statement_s: float) -> Iterator[Connection]:
    """Whatever is read in the block is of one moment, and nothing can be written in it. statement_s: the longest that
    one statement may take. Raises what the database raises (`AWAY` says which say that it is away)."""
    with database.connection() as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            connection.execute("SELECT set_config('statement_timeout', %s, true)", (f"{statement_s * 1000:.0f}",))
            yield connection
        finally:
            with suppress(psycopg.Error):  # the session ended, and the transaction with it
                connection.execute("ROLLBACK")
