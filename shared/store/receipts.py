"""VAT receipts: follow-ups with states of their own. An ambiguous answer goes to a person."""

from dataclasses import dataclass
from typing import Any

from shared.domain.payment import Payment
from shared.domain.request import Request
from shared.store import foreign
from shared.store.engine import Connection
from shared.store.rows import PAYMENT_COLUMNS, payment


@dataclass(frozen=True, slots=True)
class ReceiptClaim:
    """The right to ask for a receipt once. request is None until it is built."""

    payment: Payment
    attempt: int
    request: Request | None


_DUE = """
WITH due AS (
    SELECT r.payment_id FROM receipts r WHERE r.provider = %(provider)s AND r.due_at <= clock()
        AND r.state IN ('waiting', 'dispatched') ORDER BY r.due_at LIMIT %(room)s FOR UPDATE SKIP LOCKED
)
UPDATE receipts r SET state = 'dispatched', due_at = clock() + make_interval(secs => %(lease_s)s)
FROM due WHERE r.payment_id = due.payment_id RETURNING r.payment_id
"""

# A receipt's events are numbered with its payment's: one order for all that is told of a payment.
_EVENT = """
numbered AS (
    UPDATE payments p SET event_seq = p.event_seq + 1 FROM moved r
    WHERE p.id = r.payment_id AND r.state IN ('issued', 'refused', 'parked')
    RETURNING p.id, p.event_seq, p.source, p.intent_id
), told AS (
    INSERT INTO events (payment_id, event_id, type, subject, data)
    SELECT p.id, p.id || '-' || p.event_seq, 'settlepipe.receipt.' || r.state, p.source || '/' || p.intent_id,
        json_build_object('source', p.source, 'intent_id', p.intent_id, 'state', r.state, 'detail', r.detail,
                          'answer', r.answer)
    FROM numbered p JOIN moved r ON r.payment_id = p.id
)
"""

_PARK_LOST = f"""
WITH moved AS (
    UPDATE receipts SET state = 'parked', due_at = NULL,
        detail = 'the receipt was asked for and no outcome was recorded'
    WHERE provider = %(provider)s AND state = 'sending' AND due_at <= clock() RETURNING *
), {_EVENT}
SELECT payment_id FROM moved
"""

_CLAIM = f"""
WITH claimed AS (
    UPDATE receipts SET state = 'sending', attempts = attempts + 1,
        due_at = clock() + make_interval(secs => %(lease_s)s)
    FROM lanes l
    WHERE payment_id = %(id)s AND state = 'dispatched' AND due_at > clock() AND l.provider = receipts.provider
        AND l.running
    RETURNING payment_id, attempts, receipts.path AS receipt_path, receipts.body AS receipt_body
)
SELECT {PAYMENT_COLUMNS}, c.attempts AS attempt, c.receipt_path, c.receipt_body
FROM claimed c JOIN payments p ON p.id = c.payment_id
"""

_FREEZE = """
UPDATE receipts SET path = %(path)s, body = %(body)s, body_sha256 = sha256(%(body)s)
WHERE payment_id = %(id)s AND state = 'sending' AND attempts = %(attempt)s AND due_at > clock() RETURNING payment_id
"""

_RECORD = f"""
WITH moved AS (
    UPDATE receipts SET state = %(to)s, detail = %(detail)s, answer = %(answer)s::jsonb,
        due_at = clock() + make_interval(secs => %(wait_s)s::float8),
        finished_at = CASE WHEN %(to)s IN ('issued', 'refused') THEN clock() END
    WHERE payment_id = %(id)s AND (state = 'sending' OR state = 'parked' AND %(to)s = 'issued')
        AND attempts = %(attempt)s
    RETURNING *
), {_EVENT}
SELECT payment_id FROM moved
"""

_RESOLVE = f"""
WITH moved AS (
    UPDATE receipts SET state = %(to)s, detail = %(reason)s,
        due_at = CASE WHEN %(to)s = 'waiting' THEN clock() END,
        finished_at = CASE WHEN %(to)s IN ('issued', 'refused') THEN clock() END
    WHERE payment_id = %(id)s AND state = 'parked' RETURNING *
), {_EVENT}
SELECT payment_id FROM moved
"""


def claim_due(connection: Connection, provider: str, room: int, lease_s: float) -> list[int]:
    """Payments whose receipt is due, marked dispatched with a lease."""
    given = {"provider": provider, "room": room, "lease_s": lease_s}
    return [row["payment_id"] for row in connection.execute(_DUE, given).fetchall()]


def waiting(connection: Connection, provider: str) -> list[int]:
    """A payment whose receipt waits (perhaps for the provider's lists), if there is one."""
    statement = "SELECT payment_id FROM receipts WHERE provider = %s AND state = 'waiting' AND attempts > 0 LIMIT 1"
    return [row["payment_id"] for row in connection.execute(statement, (provider,)).fetchall()]


def park_lost(connection: Connection, provider: str) -> list[int]:
    """Receipts that were being asked for when their lease ran out: nobody knows, a person decides."""
    return [row["payment_id"] for row in connection.execute(_PARK_LOST, {"provider": provider}).fetchall()]


def claim(connection: Connection, payment_id: int, lease_s: float) -> ReceiptClaim | None:
    """Claim a dispatched receipt whose lease is alive, in a lane that runs."""
    row = connection.execute(_CLAIM, {"id": payment_id, "lease_s": lease_s}).fetchone()
    if row is None:
        return None
    body = row["receipt_body"]
    request = None if body is None else Request(row["receipt_path"], bytes(body))
    return ReceiptClaim(payment(row), row["attempt"], request)


def freeze(connection: Connection, claim: ReceiptClaim, request: Request) -> bool:
    """Keep the request before its first send. False when the claim ran out."""
    given = {"id": claim.payment.id, "attempt": claim.attempt, "path": request.path, "body": request.body}
    return connection.execute(_FREEZE, given).fetchone() is not None


def record(
    connection: Connection,
    claim: ReceiptClaim,
    to: str,
    *,
    detail: str | None,
    answer: dict[str, Any] | None = None,
    wait_s: float | None = None,
) -> None:
    """Write what came of it: `issued`, `refused`, `parked`, or `waiting` for another try. Safe to repeat."""
    given = {
        "id": claim.payment.id,
        "attempt": claim.attempt,
        "to": to,
        "detail": foreign.text(detail),
        "answer": foreign.json_text(answer) if answer else None,
        "wait_s": wait_s,
    }
    connection.execute(_RECORD, given)


def resolve(connection: Connection, payment_id: int, to: str, reason: str) -> bool:
    """A person settles a parked receipt. False when it is not parked."""
    return connection.execute(_RESOLVE, {"id": payment_id, "to": to, "reason": reason}).fetchone() is not None
