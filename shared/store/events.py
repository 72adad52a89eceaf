"""The outbox: events written with the steps they tell of, carried to the stream by the relay."""

from collections.abc import Sequence
from datetime import datetime

from shared.store.engine import Connection, Row

_PENDING = """
SELECT id, event_id, type, subject, data::text AS data, created_at FROM events WHERE pending ORDER BY id LIMIT %s
"""

_DISPUTED = """
WITH p AS (
    UPDATE payments SET event_seq = event_seq + 1 WHERE id = ANY(%(ids)s) RETURNING payments.*
)
INSERT INTO events (payment_id, event_id, type, subject, data)
SELECT p.id, p.id || '-' || p.event_seq, 'settlepipe.payment.disputed', p.source || '/' || p.intent_id,
    payment_row(ROW(p.*)::payments) FROM p ORDER BY p.id
"""


def pending(connection: Connection, limit: int) -> list[Row]:
    """The oldest events that are not on the stream yet; of one payment always in order."""
    return connection.execute(_PENDING, (limit,)).fetchall()


def carried(connection: Connection, ids: list[int], entry_id: str) -> None:
    """These are on the stream now, the last one as `entry_id`."""
    connection.execute(
        """WITH position AS (
            INSERT INTO relay_position (entry_id) VALUES (%(entry_id)s)
            ON CONFLICT (one) DO UPDATE SET entry_id = excluded.entry_id
        ) UPDATE events SET pending = false WHERE id = ANY(%(ids)s)""",
        {"ids": ids, "entry_id": entry_id},
    )


def position(connection: Connection) -> str | None:
    """The stream's entry that was written last, or None when there was none."""
    row = connection.execute("SELECT entry_id FROM relay_position").fetchone()
    return row["entry_id"] if row else None


def forget_position(connection: Connection) -> None:
    """The stream was wiped: there is no last entry."""
    connection.execute("DELETE FROM relay_position")


def replay(connection: Connection, since: datetime) -> int:
    """Put everything since then on the stream again, but for the archive's; how many events that is."""
    return connection.execute("UPDATE events SET pending = true WHERE created_at >= %s", (since,)).rowcount


def replay_last(connection: Connection, seconds: float) -> int:
    """Like `replay`, counted back from now."""
    statement = "UPDATE events SET pending = true WHERE created_at >= clock() - make_interval(secs => %s)"
    return connection.execute(statement, (seconds,)).rowcount


def archived_since(connection: Connection, since: datetime) -> bool:
    """Does the archive hold events since then? Those are not replayed."""
    statement = "SELECT EXISTS (SELECT FROM archive.events WHERE created_at >= %s) AS found"
    row = connection.execute(statement, (since,)).fetchone()
    return bool(row and row["found"])


def disputed(connection: Connection, payment_ids: Sequence[int]) -> None:
    """Late evidence contradicts the final states of these payments: tell upstream. The states stay."""
    connection.execute(_DISPUTED, {"ids": list(payment_ids)})
