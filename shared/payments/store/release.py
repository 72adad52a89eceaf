"""Accepted payments that are held, and their release."""

from dataclasses import dataclass

from shared.archive.recall import recall
from shared.archive.twins import every
from shared.database.engine import Connection
from shared.database.rows import PAYMENT_COLUMNS, payment
from shared.database.statements import statements
from shared.domain.payment import HoldReason, Payment
from shared.domain.request import Request

_SQL = statements(__file__)


@dataclass(frozen=True, slots=True)
class HeldRefund:
    """A refund that waits, with what is known of the settle that it names.

    settle_id and settle_state: None when no such payment is there (yet). waited_out: longer than allowed.
    """

    refund: Payment
    settle_id: int | None
    settle_state: str | None
    waited_out: bool


# While a window after a lost time is open, a settle may still come again.
_WAITED_OUT = """greatest(p.created_at, (SELECT max(least(coalesce(closed_at, closes_at), clock())) FROM lost_times))
        + make_interval(secs => %(wait_s)s) <= clock()"""
_REFUNDS = f"""
SELECT {PAYMENT_COLUMNS}, s.id AS settle_id, s.state AS settle_state, {_WAITED_OUT} AS waited_out
FROM payments p
    LEFT JOIN intent_keys k ON k.source = p.source AND k.intent_id = p.refund_of
    LEFT JOIN {every("payments")} s ON s.id = k.payment_id
WHERE p.hold_reason = 'settle_pending' AND p.id > %(after)s
    AND (s.state IN ('succeeded', 'refused', 'cancelled')
         OR s.id IS NULL AND {_WAITED_OUT}
         OR s.operation <> 'settle')
ORDER BY p.id LIMIT %(limit)s FOR UPDATE OF p SKIP LOCKED
"""

_LOCK = "SELECT id FROM payments WHERE id = %s FOR UPDATE"

_SETTLE = f"""
SELECT {PAYMENT_COLUMNS}, p.stream_event IS NOT NULL AND p.body IS NULL AS untold,
    (SELECT coalesce(sum(amount_minor), 0) FROM payments r
     WHERE r.settle_id = p.id AND r.state NOT IN ('refused', 'cancelled'))
    -- and those that only upstream knows of, since the database lost them
    + (SELECT coalesce(sum((l.told ->> 'amount')::numeric * power(10::numeric, p.places)), 0) FROM lost_payments l
       WHERE l.came_at IS NULL AND l.source = p.source AND l.told ->> 'refund_of' = p.intent_id
           AND l.told ->> 'state' NOT IN ('succeeded', 'refused', 'cancelled')) AS refunded_minor
FROM payments p WHERE p.id = %(id)s
"""

_DIRECTORY_HOLDS = f"""
SELECT {PAYMENT_COLUMNS} FROM payments p WHERE p.hold_reason = ANY(%(reasons)s) AND p.provider = %(provider)s
    AND p.id > %(after)s ORDER BY p.id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""

PAGE = 200  # payments looked at, and locked, in one transaction
DIRECTORY_REASONS = [HoldReason.NO_ACCOUNT, HoldReason.AMBIGUOUS_ACCOUNT, HoldReason.ACCOUNT_UNCONFIRMED]


def refunds(connection: Connection, wait_s: float, after: int = 0, limit: int = PAGE) -> list[HeldRefund]:
    """Held refunds behind id `after` about which something can be decided now, by id, locked."""
    rows = connection.execute(_REFUNDS, {"wait_s": wait_s, "after": after, "limit": limit}).fetchall()
    return [HeldRefund(payment(r), r["settle_id"], r["settle_state"], r["waited_out"]) for r in rows]


@dataclass(frozen=True, slots=True)
class Settle:
    """A settle, locked, and how many minor units its refunds hold already (pending and unknown ones too).

    untold: only the events stream told of it, and its intent has not come again: what was sent is not known.
    """

    payment: Payment
    refunded_minor: int
    untold: bool


def settle(connection: Connection, settle_id: int) -> Settle:
    """The settle that a refund names, brought back from the archive if need be."""
    # The lock first, in a statement of its own: one that waits for it still sees what was there before it waited,
    # and would not count the refund that the other transaction has just released.
    if connection.execute(_LOCK, (settle_id,)).fetchone() is None:  # long settled: it comes back with its refunds
        recall(connection, [settle_id])
        connection.execute(_LOCK, (settle_id,))
    row = connection.execute(_SETTLE, {"id": settle_id}).fetchone()
    assert row is not None  # noqa: S101 - payments are never deleted, and this one is locked
    return Settle(payment(row), int(row["refunded_minor"]), row["untold"])


def release(
    connection: Connection, payment_id: int, request: Request, settle_id: int | None = None, window_s: float = 0.0
) -> None:
    """Freeze a held payment's request and let it go."""
    given = {
        "id": payment_id,
        "path": request.path,
        "body": request.body,
        "exclusive_key": request.exclusive_key,
        "books_key": request.books_key,
        "settle_id": settle_id,
        "window_s": window_s,
    }
    connection.execute(_SQL["release"], given)


def rehold(connection: Connection, payment_id: int, reason: HoldReason, detail: str) -> bool:
    """Still held, perhaps for another reason; is it another one?"""
    changed = connection.execute(
        """UPDATE payments SET hold_reason = %s, detail = %s WHERE id = %s AND state = 'accepted'
        AND hold_reason IS NOT NULL AND (hold_reason, detail) IS DISTINCT FROM (%s, %s)""",
        (reason.value, detail, payment_id, reason.value, detail),
    )
    return changed.rowcount > 0


def wait_for_locks(connection: Connection, seconds: float) -> None:
    """In the caller's transaction: give up what waits longer than this for somebody's lock."""
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{round(seconds * 1000)}ms",))


def directory_holds(connection: Connection, provider: str, after: int, limit: int = PAGE) -> list[Payment]:
    """Payments that wait for something in the provider's lists, by id, locked."""
    reasons = [reason.value for reason in DIRECTORY_REASONS]
    given = {"reasons": reasons, "provider": provider, "after": after, "limit": limit}
    return [payment(row) for row in connection.execute(_DIRECTORY_HOLDS, given).fetchall()]


def free_invoices(connection: Connection, limit: int = 500) -> int:
    """Let go one payment of each invoice on which nothing is under way any more.

    The trigger that ends a payment does this at once; this finds those that were held at that very moment.
    """
    return len(connection.execute(_SQL["free_invoices"], {"limit": limit}).fetchall())
