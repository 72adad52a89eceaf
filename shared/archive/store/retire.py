"""retire's statements: which families may go, and their way to the archive."""

from dataclasses import dataclass

import psycopg

from shared.archive.twins import FOLLOW_UPS, TABLES, move
from shared.database.engine import Connection

# Somebody does something about a payment of this batch at this moment: the batch is given up, not waited for.
CHANGING = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.CheckViolation,  # an event is to be relayed again
)
LOCK_TIMEOUT_MS = 100  # others never wait longer for a batch that waits itself


@dataclass(frozen=True, slots=True)
class Page:
    """A look at some hot payments in order of id. heads: those of them that are old enough, each one's refunds aside.

    last: the last id that was looked at; None when none that is old enough comes after it.
    """

    heads: list[int]
    last: int | None


_DELIVERED = "clock() - interval '7 days'"  # a message's report may come until then
_OLD = "clock() - make_interval(days => %(keep_days)s)"

# By id, which is the order of creation: finished payments need no index of their own, which every outcome would pay
# for. Nothing that was created after the cutoff can have finished before it.
_PAGE = f"""
SELECT max(id) AS last, count(*) AS seen, coalesce(bool_or(created_at >= {_OLD}), true) AS young,
    coalesce(array_agg(id) FILTER (WHERE settle_id IS NULL AND finished_at < {_OLD}), '{{}}') AS heads
FROM (SELECT id, settle_id, finished_at, created_at FROM payments WHERE id > %(after)s ORDER BY id LIMIT %(limit)s) p
"""

_LOCK = f"""
SELECT id FROM payments WHERE (id = ANY(%(heads)s) OR settle_id = ANY(%(heads)s)) AND finished_at < {_OLD}
ORDER BY id FOR UPDATE SKIP LOCKED
"""

# A statement of its own, after the locks: it sees what others did before they let go. Of a family all may go, or none.
# A refund that is held names its settle by the intent's id only; a released one stands in `settle_id`.
_GOING = f"""
WITH member AS (
    SELECT p.id, coalesce(p.settle_id, p.id) AS head, p.id = ANY(%(locked)s)
        AND NOT EXISTS (SELECT FROM events e JOIN outbox USING (id) WHERE e.payment_id = p.id)
        AND NOT EXISTS (SELECT FROM {FOLLOW_UPS} f WHERE f.payment_id = p.id AND (f.finished_at IS NULL
            OR f.kind = 'sms' AND f.state = 'issued' AND f.delivery IS NULL AND f.finished_at > {_DELIVERED}))
        AND NOT EXISTS (SELECT FROM discrepancies d WHERE d.payment_id = p.id AND d.resolved_at IS NULL)
        AND NOT EXISTS (SELECT FROM payments h WHERE h.hold_reason IS NOT NULL
                        AND h.source = p.source AND h.refund_of = p.intent_id) AS may_go
    FROM payments p WHERE p.id = ANY(%(heads)s) OR p.settle_id = ANY(%(heads)s)
)
SELECT unnest(array_agg(id)) AS id FROM member GROUP BY head HAVING bool_and(may_go)
"""


def page(connection: Connection, after: int, limit: int, keep_days: int) -> Page:
    """Look at the next `limit` payments by id for those that finished longer ago than `keep_days`. Locks nothing."""
    given = {"after": after, "limit": limit, "keep_days": keep_days}
    row = connection.execute(_PAGE, given).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns its row
    return Page(row["heads"], None if row["young"] or row["seen"] < limit else row["last"])


def retire(connection: Connection, heads: list[int], keep_days: int) -> int:
    """Move the families of these settles (or refunds without one) to the archive; how many payments that is.

    What somebody else has locked, and what is still open about a payment (an event to relay, an unfinished
    follow-up, an open discrepancy, a held refund of it), keeps its whole family here. Raises one of CHANGING when
    somebody comes in between: roll back. To be called in a transaction of its own.
    """
    connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
    given: dict[str, object] = {"heads": heads, "keep_days": keep_days}
    given["locked"] = [row["id"] for row in connection.execute(_LOCK, given).fetchall()]
    going = [row["id"] for row in connection.execute(_GOING, given).fetchall()]
    if going:
        for table in reversed(TABLES):  # a payment is there as long as something refers to it
            move(connection, going, table, f"archive.{table}")
    return len(going)
