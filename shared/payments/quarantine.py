"""Quarantine entries on their way back to the intake queue, or out of the database."""

from collections.abc import Iterator

from shared import audit
from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.domain import decision
from shared.payments.look import Unresolvable

_SQL = statements(__file__)


_PAGE = 100


def kept(connection: Connection, ids: list[int] | None) -> Iterator[list[Row]]:
    """These entries, a page at a time: id, stream, raw, whole_bytes. None: all that are still in quarantine now."""
    row = connection.execute("SELECT coalesce(max(id), 0) AS last FROM quarantine").fetchone()
    last, after = (row["last"] if row else 0), 0
    while True:
        given = {"ids": ids, "after": after, "last": last, "limit": _PAGE}
        page = connection.execute(_SQL["kept"], given).fetchall()
        if not page:
            return
        yield page
        after = page[-1]["id"]


def locked(connection: Connection, entries: list[Row], *, waiting: bool, dismissed: bool) -> list[Row]:
    """Of these those that may be replayed now; nobody dismisses or replays them until the caller's transaction ends.
    waiting: those alone that still wait for a person. dismissed: those that were dismissed, too."""
    given = {"ids": [entry["id"] for entry in entries], "waiting": waiting, "dismissed": dismissed}
    connection.execute("SELECT FROM quarantine WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE", given)
    there = {row["id"] for row in connection.execute(_SQL["free"], given).fetchall()}
    return [entry for entry in entries if entry["id"] in there]


def replayed(connection: Connection, ids: list[int], *, by: str, reason: str | None = None) -> None:
    """These were put on the intake queue again. One transaction, with an audit record."""
    with connection.transaction():
        connection.execute("UPDATE quarantine SET replayed_at = clock() WHERE id = ANY(%s)", (ids,))
        if ids:
            audit.write(connection, "quarantine.replayed", "quarantine", by=by, reason=reason, content={"ids": ids})


def forget(connection: Connection, days: int, limit: int) -> int:
    """Delete up to `limit` entries that were last seen longer ago than this; how many that was."""
    row = connection.execute(_SQL["forget"], {"days": days, "limit": limit}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns its row
    return int(row["count"])


def dismissed(connection: Connection, number: int) -> str | None:
    """When an entry was dismissed (RFC 3339, UTC), or None; nobody dismisses it until the caller's transaction ends."""
    connection.execute("SELECT FROM quarantine WHERE id = %s FOR UPDATE", (number,))
    row = connection.execute(_SQL["dismissed"], {"id": number}).fetchone()
    return None if row is None else row["at"]


def dismiss(connection: Connection, number: int, *, reason: str, by: str) -> bool:
    """Record that nothing is to come of an entry, and why; False where there is none of this number. It waits for
    nobody then, until the same content comes again. One transaction, with an audit record. Raises ValueError for a
    bad reason or name; Unresolvable for one that was put on the queue again and did not come back: it may be a payment
    by now."""
    reason, by = decision.reason(reason), decision.by(by)
    with connection.transaction():
        connection.execute("SELECT FROM quarantine WHERE id = %s FOR UPDATE", (number,))
        gone = connection.execute(_SQL["gone"], {"id": number}).fetchone()
        if gone is not None:
            which = f": see `settlepipe payment {gone['subject']}`" if gone["subject"] else ""
            raise Unresolvable(
                f"{number} was put on the queue again and did not come back, so it may be a payment by now{which};"
                " nothing was changed"
            )
        found = connection.execute(_SQL["dismiss"], {"id": number, "reason": reason, "by": by}).fetchone()
        if found is not None:
            audit.write(connection, "quarantine.dismissed", str(number), by=by, reason=reason)
    return found is not None
