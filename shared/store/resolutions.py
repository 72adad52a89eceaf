"""What a person decides: locked, judged, kept and done in the caller's one transaction. Append only."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.store import archive
from shared.store.engine import Connection


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's decision about one payment. action: e.g. `succeeded`, `resend`, `cancelled`, `receipt_issued`."""

    action: str
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Found:
    """A locked payment. follow_ups: kind (`receipt`, `sms`) to the state of those that it has."""

    id: int
    state: str
    possibly_sent: bool
    follow_ups: Mapping[str, str]


_KEY = "SELECT payment_id FROM intent_keys WHERE source = %s AND intent_id = %s"

_LOCK = """
SELECT p.id, p.state, p.possibly_sent,
    (SELECT coalesce(json_object_agg(f.kind, f.state), '{}') FROM follow_ups f WHERE f.payment_id = p.id) AS follow_ups
FROM payments p WHERE p.source = %s AND p.intent_id = %s
    AND p.id = (SELECT payment_id FROM intent_keys WHERE source = %s AND intent_id = %s)
FOR UPDATE OF p
"""

_FINISH = """
UPDATE payments SET state = %(to)s, detail = %(detail)s, in_doubt = in_doubt AND %(to)s <> 'succeeded',
    resend_asked = false, due_at = NULL, hold_reason = NULL
WHERE id = %(id)s
"""

# The deadline is counted anew from the next claim: the old one would park it again at once.
_RESEND = """
UPDATE payments SET state = 'unknown', resend_asked = true, due_at = clock(), rung = 0, deadline = NULL,
    detail = %(detail)s
WHERE id = %(id)s
"""


def lock(connection: Connection, source: str, intent_id: str) -> Found | None:
    """The payment of this intent, locked until the transaction ends; None when there is none.

    One in the archive comes back, unless the caller decides nothing and rolls back.
    """
    given = (source, intent_id, source, intent_id)
    row = connection.execute(_LOCK, given).fetchone()
    if row is None:
        archive.recall(connection, [key["payment_id"] for key in connection.execute(_KEY, given[:2]).fetchall()])
        row = connection.execute(_LOCK, given).fetchone()
    return None if row is None else Found(row["id"], row["state"], row["possibly_sent"], row["follow_ups"])


def keep(connection: Connection, payment_id: int, from_state: str, decision: Decision) -> None:
    """Write down who decided what, and why."""
    connection.execute(
        "INSERT INTO resolutions (payment_id, action, from_state, reason, by_whom) VALUES (%s, %s, %s, %s, %s)",
        (payment_id, decision.action, from_state, decision.reason, decision.by),
    )


def finish(connection: Connection, payment_id: int, to: str, detail: str) -> None:
    """End it: `succeeded`, `refused` or `cancelled`. The database refuses what is not legal."""
    connection.execute(_FINISH, {"id": payment_id, "to": to, "detail": detail})


def resend(connection: Connection, payment_id: int, detail: str) -> None:
    """Due at once: the provider's books are looked at, and what they don't show as applied is sent once."""
    connection.execute(_RESEND, {"id": payment_id, "detail": detail})
