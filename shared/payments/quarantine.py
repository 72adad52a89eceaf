"""Quarantine entries on their way back to the intake queue, or out of the database."""

from collections.abc import Iterator

from shared.database.engine import Connection, Row

_PAGE = 100

# Read before they are replayed: one that comes back is not taken again by the same run.
_KEPT = """
SELECT id, stream, raw, whole_bytes FROM quarantine
WHERE id > %(after)s AND id <= %(last)s
    AND CASE WHEN %(ids)s::bigint[] IS NULL THEN replayed_at IS NULL OR last_seen > replayed_at
             ELSE id = ANY(%(ids)s::bigint[]) END
ORDER BY id LIMIT %(limit)s
"""

# With its event, and never before that was told.
_FORGET = """
WITH old AS (
    SELECT id FROM quarantine q WHERE last_seen < clock() - make_interval(days => %(days)s)
        AND NOT EXISTS (SELECT FROM events e
                        WHERE e.event_id = 'q' || q.id || '-1' AND e.payment_id IS NULL AND e.pending)
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM quarantine q USING old WHERE q.id = old.id RETURNING q.id
), told AS (
    DELETE FROM events e USING gone WHERE e.event_id = 'q' || gone.id || '-1' AND e.payment_id IS NULL
)
SELECT count(*) AS count FROM gone
"""


def kept(connection: Connection, ids: list[int] | None) -> Iterator[list[Row]]:
    """These entries, a page at a time: id, stream, raw, whole_bytes. None: all that are still in quarantine now."""
    row = connection.execute("SELECT coalesce(max(id), 0) AS last FROM quarantine").fetchone()
    last, after = (row["last"] if row else 0), 0
    while True:
        given = {"ids": ids, "after": after, "last": last, "limit": _PAGE}
        page = connection.execute(_KEPT, given).fetchall()
        if not page:
            return
        yield page
        after = page[-1]["id"]


def replayed(connection: Connection, ids: list[int]) -> None:
    """These were put on the intake queue again."""
    connection.execute("UPDATE quarantine SET replayed_at = clock() WHERE id = ANY(%s)", (ids,))


def forget(connection: Connection, days: int, limit: int) -> int:
    """Delete up to `limit` entries that were last seen longer ago than this; how many that was."""
    row = connection.execute(_FORGET, {"days": days, "limit": limit}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns its row
    return int(row["count"])
