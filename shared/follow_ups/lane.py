"""What a look at a lane does with its follow-ups: those that are due are dispatched, lost leases are ended."""

from collections.abc import Sequence

from shared.database.engine import Connection
from shared.database.statements import statements
from shared.follow_ups.store.ask import EVENT

_SQL = statements(__file__)


# While it is `unasked` nothing was asked for, whatever became of the process.
_END_LOST = f"""
WITH moved AS (
    UPDATE follow_ups SET state = CASE WHEN unasked THEN 'waiting' ELSE 'parked' END,
        due_at = CASE WHEN unasked THEN clock() END,
        code = CASE WHEN NOT unasked THEN 'outcome_lost' END,
        detail = CASE kind WHEN 'sms' THEN 'the message' ELSE 'the receipt' END
            || CASE WHEN unasked THEN ' was not asked for before its lease ran out'
                    ELSE ' was asked for and no outcome was recorded' END
    WHERE provider = %(provider)s AND state = 'sending' AND due_at <= clock() RETURNING *
), {EVENT}
SELECT id, state FROM moved
"""


_END_IN_LOST_TIME = f"""
WITH moved AS (
    UPDATE follow_ups SET state = CASE kind WHEN 'sms' THEN 'refused' ELSE 'parked' END, due_at = NULL,
        finished_at = CASE kind WHEN 'sms' THEN clock() END,
        code = 'outcome_lost', detail = 'it may have been asked for in the time that the database lost'
    WHERE state IN ('waiting', 'dispatched', 'sending') RETURNING *
), {EVENT}
SELECT id FROM moved
"""


def end_in_lost_time(connection: Connection) -> int:
    """The database lost time: whatever was open may have been asked for in it. Receipts are a person's, messages are
    not sent. How many."""
    return len(connection.execute(_END_IN_LOST_TIME).fetchall())


def claim_due(connection: Connection, provider: str, room: int, lease_s: float) -> list[int]:
    """Ids of follow-ups that are due in this lane, marked dispatched with a lease."""
    given = {"provider": provider, "room": room, "lease_s": lease_s}
    return [row["id"] for row in connection.execute(_SQL["due"], given).fetchall()]


def give_back(connection: Connection, ids: Sequence[int]) -> int:
    """Those of these that are dispatched and not claimed are due at once; how many."""
    return connection.execute(_SQL["give_back"], {"ids": list(ids)}).rowcount


def waiting(connection: Connection, provider: str) -> list[int]:
    """A payment whose receipt waits (perhaps for the provider's lists), if there is one."""
    statement = """SELECT payment_id FROM follow_ups
        WHERE provider = %s AND kind = 'receipt' AND state = 'waiting' AND attempts > 0 LIMIT 1"""
    return [row["payment_id"] for row in connection.execute(statement, (provider,)).fetchall()]


def end_lost(connection: Connection, provider: str) -> list[tuple[int, str]]:
    """(id, new state) of those whose lease ran out. What was being asked for is parked: nobody knows, a person
    decides. What was not asked for yet waits."""
    rows = connection.execute(_END_LOST, {"provider": provider}).fetchall()
    return [(row["id"], row["state"]) for row in rows]
