"""A comparison's end, and how long its lines are kept; what is compared is in `compare`."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg

from shared.database.engine import Connection, Database
from shared.database.statements import statements
from shared.events.types import EventType, literal, written
from shared.reconciliation.store import compared

_SQL = statements(__file__)


_TOLD = written(
    id="'r' || id || CASE WHEN first THEN '-1' ELSE '-2' END",
    type=literal(EventType.RECONCILIATION_DONE),
    subject="provider || '/' || day",
    data="%(data)s::json",
    rows="FROM done WHERE fresh",
)

# Told once; and once more when the books that could not be read whole at first were read. A look at a day that was not
# over is nobody's news.
_FINISH = f"""
WITH before AS (SELECT id, told FROM reconciliations WHERE id = %(id)s AND state = 'compared' FOR UPDATE), done AS (
    UPDATE reconciliations r SET state = 'done', finished_at = clock(),
        told = CASE WHEN r.started_at >= r.period_to THEN coalesce(b.told, false) OR r.complete END
    FROM before b WHERE r.id = b.id
    RETURNING r.id, r.provider, r.day, b.told IS NULL AS first,
        r.started_at >= r.period_to AND (b.told IS NULL OR r.complete AND NOT b.told) AS fresh
), event AS (
    {_TOLD}
)
SELECT FROM done
"""

# What a run has as many rows of as there are lines or payments; its payments are a table of their own. The findings
# stay.
_LARGE = ("provider_lines", "provider_accounts", "accounts_to_read")
_DELETE = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT l.ctid FROM {table} l WHERE l.run_id = ANY(%(runs)s) LIMIT %(limit)s))
"""
_STILL = " OR ".join(f"EXISTS (SELECT FROM {table} l WHERE l.run_id = r.id)" for table in _LARGE)
_FORGOTTEN = f"""
SELECT id FROM reconciliations r
WHERE provider = %(provider)s AND forgotten AND ({_STILL} OR {compared.IS_THERE.format("r.id")})
"""
_DROP_WAIT = "SET LOCAL lock_timeout = '2s'"  # others who would read wait behind it


def finish(connection: Connection, run_id: int, data: Mapping[str, Any]) -> bool:
    """The compared run is done, and its event in the outbox unless that was told before. False: it is not compared."""
    given = {"id": run_id, "data": json.dumps(data, ensure_ascii=False)}
    return connection.execute(_FINISH, given).fetchone() is not None


def to_mail(connection: Connection, run_id: int) -> bool:
    """Was this run of a day that was over not mailed yet, or only when a part of the books had been read, and now all
    of them were?"""
    statement = """SELECT started_at >= period_to AND (mailed IS NULL OR complete AND NOT mailed) AS due
        FROM reconciliations WHERE id = %s"""
    row = connection.execute(statement, (run_id,)).fetchone()
    return bool(row and row["due"])


def mailed(connection: Connection, run_id: int) -> None:
    """The run's mail was taken by the server."""
    connection.execute("UPDATE reconciliations SET mailed = complete WHERE id = %s", (run_id,))


def reopen(connection: Connection, run_id: int) -> None:
    """The books of this run are read on from where they could not be read."""
    statement = "UPDATE reconciliations SET state = 'fetching', complete = true, missing = NULL"
    connection.execute(f"{statement} WHERE id = %s AND state = 'done'", (run_id,))


def begin_anew(connection: Connection, run_id: int) -> None:
    """Forget what this run has read: it was begun before its day was over. To be called in its provider's turn.

    The payments that it compared are there until it is compared again.
    """
    for table in _LARGE:
        connection.execute(f"DELETE FROM {table} WHERE run_id = %s".encode(), (run_id,))
    connection.execute(
        """UPDATE reconciliations SET state = 'fetching', position = NULL, complete = true, missing = NULL, lines = 0,
            unreadable = 0, unread = 0, totals = NULL, started_at = clock(), fetched_at = NULL, compared_at = NULL,
            finished_at = NULL, carried_at = NULL, carried = NULL, hours = NULL
        WHERE id = %s""",
        (run_id,),
    )


def forgotten(connection: Connection, run_id: int) -> bool:
    """Are the lines and payments that this run compared no longer kept?"""
    row = connection.execute("SELECT forgotten FROM reconciliations WHERE id = %s", (run_id,)).fetchone()
    return bool(row and row["forgotten"])


def open_discrepancies(connection: Connection, run_id: int) -> int:
    """How many discrepancies of its provider this run left open."""
    statement = "SELECT count(*) AS n FROM told_discrepancies WHERE run_id = %s AND open"
    row = connection.execute(statement, (run_id,)).fetchone()
    return int(row["n"]) if row else 0


def forget_lines(database: Database, provider: str, days: int, batch: int = 10_000) -> int:
    """Delete the lines of runs done longer ago than this, in short statements, and what was compared with them; how
    many rows, without the payments. The findings stay.

    To be called in the provider's turn. Marked first: what is half deleted is never compared again. Payments that can't
    be dropped because a report is being written go the next time.
    """
    count = 0
    with database.transaction() as connection:
        connection.execute(_SQL["forget"], {"provider": provider, "days": days})
        runs = [row["id"] for row in connection.execute(_FORGOTTEN, {"provider": provider}).fetchall()]
    for table in _LARGE:
        deleted = 1
        while deleted:
            with database.transaction() as connection:
                deleted = connection.execute(_DELETE.format(table=table), {"runs": runs, "limit": batch}).rowcount
            count += deleted
    for run_id in runs:
        with suppress(psycopg.errors.LockNotAvailable), database.transaction() as connection:
            connection.execute(_DROP_WAIT)
            compared.drop(connection, run_id)
    return count
