"""resolve: what a person decides about a parked follow-up, in the caller's transaction."""

from shared.database.engine import Connection
from shared.follow_ups.store.ask import EVENT

# A person who asks again begins a new age: what they ask for now is not old.
_RESOLVE = f"""
WITH moved AS (
    UPDATE follow_ups SET state = %(to)s, detail = %(reason)s, code = 'decided',
        due_at = CASE WHEN %(to)s = 'waiting' THEN clock() END,
        asked_at = CASE WHEN %(to)s = 'waiting' THEN clock() ELSE asked_at END,
        finished_at = CASE WHEN %(to)s IN ('issued', 'refused') THEN clock() END
    WHERE payment_id = %(payment_id)s AND kind = %(kind)s AND state = 'parked' RETURNING *
), {EVENT}
SELECT id FROM moved
"""


def resolve(connection: Connection, payment_id: int, kind: str, to: str, reason: str) -> bool:
    """A person settles a parked follow-up. False when it is not parked."""
    given = {"payment_id": payment_id, "kind": kind, "to": to, "reason": reason}
    return connection.execute(_RESOLVE, given).fetchone() is not None
