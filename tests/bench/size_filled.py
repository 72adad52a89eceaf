"""A database with very many finished payments and very many that wait, as the product would have left it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg

from shared.database.engine import driver_url
from shared.database.statements import statements

_SQL = statements(__file__)
_DAYS = 90  # from the first payment to the last one
# What one takes on the disk, in the tables that are filled and in their indexes.
FINISHED_BYTES, WAITING_BYTES = 2_900, 2_500


def fill(database_url: str, finished: int, waiting: int, told: Callable[[str], None]) -> None:
    """So many of each in a database without payments, to which nobody else is connected; told: hears of each table.

    The rows are copied as ones that everybody sees (FREEZE): nothing is left for a vacuum to do, and indexes grow entry
    by entry, in the order of the payments, as they do in years. In replica mode no trigger tells of them.
    """
    now, every = datetime.now(UTC), finished + waiting
    given = {"finished": finished, "all": every, "now": now, "apart": timedelta(days=_DAYS) / max(every, 1)}
    with (
        psycopg.connect(driver_url(database_url)) as reading,
        psycopg.connect(driver_url(database_url), autocommit=True) as writing,
    ):
        writing.execute("SET session_replication_role = replica")
        writing.execute("SET synchronous_commit = off")
        with writing.transaction():
            writing.execute("TRUNCATE payments, events, intent_keys CASCADE")
            for table, statement in _SQL.items():
                told(f"{every:,} payments: {table}")
                _copy(reading, writing, table, statement, given)
            writing.execute("SELECT setval('payment_ids', %s)", (every,))
            writing.execute("SELECT setval(pg_get_serial_sequence('events', 'id'), (SELECT max(id) FROM events))")
        told(f"{every:,} payments: counted for the planner, and their indexes read")
        writing.execute("VACUUM (ANALYZE)")
        # As in a database that is used: whatever a payment may meet was read before.
        writing.execute("CREATE EXTENSION pg_prewarm")
        writing.execute(
            "SELECT pg_prewarm(indexrelid, 'read') FROM pg_index WHERE indrelid = ANY(%s::regclass[])", (list(_SQL),)
        )
        writing.execute("DROP EXTENSION pg_prewarm")
        writing.execute("CHECKPOINT")


def _copy(
    reading: "psycopg.Connection[tuple[object, ...]]",
    writing: "psycopg.Connection[tuple[object, ...]]",
    table: str,
    statement: str,
    given: dict[str, object],
) -> None:
    """What the statement says, made by one session and written by the other."""
    with reading.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({statement}) AS made LIMIT 0".encode(), given)
        assert cursor.description is not None
        columns = ", ".join(column.name for column in cursor.description)
    into = f"COPY {table} ({columns}) FROM STDIN (FORMAT binary, FREEZE)"
    with (
        reading.cursor() as source,
        writing.cursor() as target,
        source.copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)".encode(), given) as rows,
        target.copy(into.encode()) as copied,
    ):
        for block in rows:
            copied.write(block)
