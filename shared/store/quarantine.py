"""Quarantine entries on their way back to the intake queue."""

from collections.abc import Iterator

from shared.store.engine import Connection, Row

_PAGE = 100

# Read before they are replayed: one that comes back is not taken again by the same run.
_KEPT = """
SELECT id, stream, raw, whole_bytes FROM quarantine
WHERE id > %(after)s AND id <= %(last)s
    AND CASE WHEN %(ids)s::bigint[] IS NULL THEN replayed_at IS NULL OR last_seen > replayed_at
             ELSE id = ANY(%(ids)s::bigint[]) END
ORDER BY id LIMIT %(limit)s
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
