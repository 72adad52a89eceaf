"""Claims and outcomes: one statement and one round trip each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.answers import Answer, Meaning
from shared.domain.payment import Payment, State
from shared.store import foreign
from shared.store.engine import Connection
from shared.store.lanes import PROBE_EVERY_S
from shared.store.rows import PAYMENT_COLUMNS, payment


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send a payment once. attempt is the fencing token: its outcome is recorded under it."""

    payment: Payment
    attempt: int
    resend_safe: bool
    exclusive_key: str | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a claim and an outcome need of the settings, in seconds."""

    lease_s: float
    deadline_s: float
    breaker_failures: int
    breaker_open_s: float


# coalesce: else the planner may walk all that is dispatched, dead entries included, to find one id.
# What the books said counts while an attempt is in doubt; else they are read again, just before the send.
_CLAIM = f"""
WITH claimed AS (
    UPDATE payments p SET state = 'sending', attempts = p.attempts + 1,
        baseline = CASE WHEN p.in_doubt THEN p.baseline END,
        due_at = clock() + make_interval(secs => %(lease_s)s),
        deadline = coalesce(p.deadline, lane_clock(l) + make_interval(secs => %(deadline_s)s))
    FROM lanes l
    WHERE p.id = %(id)s AND l.provider = p.provider AND coalesce(p.state, '') = 'dispatched' AND p.due_at > clock()
        AND (l.running OR l.paused_at IS NULL AND l.probe_payment_id = p.id)
        AND CASE WHEN p.resend_safe THEN true ELSE worker_alive(%(worker_key)s) END
    RETURNING {PAYMENT_COLUMNS}, p.attempts, p.resend_safe, p.exclusive_key, p.body_sha256, p.due_at
), begun AS (
    INSERT INTO attempts (payment_id, number, started_at, lease_until, worker_key, body_sha256)
    SELECT id, attempts, clock(), due_at, %(worker_key)s, body_sha256 FROM claimed
)
SELECT * FROM claimed
"""

# SUCCEEDED is written under any token while the payment is not final. Any other late outcome corrects its own
# attempt, and moves the payment only from unknown and only if no newer attempt exists.
_RECORD = """
WITH attempt AS (
    UPDATE attempts SET ended_at = clock(), meaning = %(meaning)s, kind = %(kind)s, http_status = %(http_status)s,
        detail = %(detail)s, refusal = %(refusal)s, facts = %(facts)s::jsonb
    WHERE payment_id = %(id)s AND number = %(attempt)s
), judged AS (
    SELECT id, %(to)s = 'succeeded' OR state = 'sending' AND attempts = %(attempt)s
        OR %(to)s = 'refused' AND state = 'unknown' AND attempts = %(attempt)s AS moves
    FROM payments WHERE id = %(id)s AND state NOT IN ('succeeded', 'refused', 'cancelled')
        AND (%(to)s = 'succeeded' OR attempts = %(attempt)s)
    FOR UPDATE
), moved AS (
    UPDATE payments p SET
        in_doubt = %(in_doubt)s,
        possibly_sent = possibly_sent OR %(possibly_sent)s,
        state = CASE WHEN moves THEN %(to)s ELSE p.state END,
        rung = CASE WHEN moves THEN 0 ELSE rung END,
        detail = CASE WHEN moves THEN %(detail)s ELSE p.detail END,
        provider_reference = coalesce(%(provider_reference)s, p.provider_reference),
        hold_reason = CASE WHEN moves THEN NULL ELSE p.hold_reason END,
        due_at = CASE
            WHEN NOT moves THEN p.due_at
            WHEN %(again_s)s::float8 IS NOT NULL AND EXISTS (
                SELECT FROM attempts a
                WHERE a.payment_id = p.id AND a.number = %(attempt)s - 1 AND a.meaning = %(meaning)s)
            THEN clock() + make_interval(secs => %(again_s)s::float8)
            ELSE clock() + make_interval(secs => %(wait_s)s::float8) END
    FROM judged WHERE p.id = judged.id
    RETURNING judged.moves
), lane AS (
    UPDATE lanes l SET
        failures = CASE %(signal)s WHEN 'down' THEN failures + 1 WHEN 'alive' THEN 0 ELSE failures END,
        open_until = CASE
            WHEN %(signal)s = 'down' AND (failures + 1 >= %(breaker_failures)s
                OR open_until IS NOT NULL AND probe_payment_id = %(id)s)
                THEN clock() + make_interval(secs => %(breaker_open_s)s)
            WHEN %(signal)s = 'alive' AND probe_payment_id = %(id)s THEN NULL
            ELSE open_until END,
        halted_at = CASE
            WHEN %(halt)s::text IS NOT NULL THEN coalesce(halted_at, clock())
            WHEN %(signal)s = 'alive' AND probe_payment_id = %(id)s THEN NULL ELSE halted_at END,
        halted_reason = CASE
            WHEN %(halt)s::text IS NOT NULL THEN %(halt)s
            WHEN %(signal)s = 'alive' AND probe_payment_id = %(id)s THEN NULL ELSE halted_reason END,
        probe_at = CASE WHEN %(halt)s::text IS NOT NULL
            THEN clock() + make_interval(secs => %(probe_every_s)s) ELSE probe_at END
    WHERE l.provider = %(provider)s AND (%(signal)s = 'down' OR %(halt)s::text IS NOT NULL
        OR %(signal)s = 'alive' AND (failures > 0 OR probe_payment_id = %(id)s))
)
SELECT coalesce((SELECT moves FROM moved), false) AS moved
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to, decided before it is written.

    to: where the payment goes. wait_s: until it is due there; None in a final state.
    again_s: the wait in place of wait_s when the attempt before this one ended the same way; None: no difference.
    signal: what it says of the provider: `down`, `alive`, or `none`. halt: the reason to halt the lane.
    """

    answer: Answer
    to: State
    wait_s: float | None
    in_doubt: bool
    possibly_sent: bool
    signal: str
    halt: str | None = None
    again_s: float | None = None


def claim(connection: Connection, payment_id: int, worker_key: int, limits: Limits) -> Claim | None:
    """Claim a dispatched payment whose lease is alive, in a lane that runs; None when that is not so.

    The attempt is written with it: from here on the payment counts as possibly sent.
    """
    given = {
        "id": payment_id,
        "worker_key": worker_key,
        "lease_s": limits.lease_s,
        "deadline_s": limits.deadline_s,
    }
    row = connection.execute(_CLAIM, given).fetchone()
    if row is None:
        return None
    return Claim(payment(row), row["attempts"], row["resend_safe"], row["exclusive_key"])


def record(connection: Connection, claim: Claim, outcome: Outcome, limits: Limits) -> bool:
    """Write an attempt's outcome: attempt, payment, event and lane in one statement. Safe to repeat.

    True when the payment moved; False when it was final already or the attempt is no longer its last.
    """
    answer = outcome.answer
    given = {
        "id": claim.payment.id,
        "attempt": claim.attempt,
        "provider": claim.payment.provider,
        "meaning": answer.meaning.value,
        "kind": foreign.text(answer.kind),
        "http_status": answer.http_status,
        "detail": foreign.text(answer.detail),
        "refusal": answer.meaning is Meaning.REFUSED or (answer.refusal and answer.meaning is not Meaning.HALT),
        "facts": foreign.json_text(answer.facts) if answer.facts else None,
        "provider_reference": foreign.text(answer.provider_reference),
        "to": outcome.to.value,
        "wait_s": outcome.wait_s,
        "again_s": outcome.again_s,
        "in_doubt": outcome.in_doubt,
        "possibly_sent": outcome.possibly_sent,
        "signal": outcome.signal,
        "halt": foreign.text(outcome.halt),
        "breaker_failures": limits.breaker_failures,
        "breaker_open_s": limits.breaker_open_s,
        "probe_every_s": PROBE_EVERY_S,
    }
    row = connection.execute(_RECORD, given).fetchone()
    return bool(row and row["moved"])


def save_baseline(connection: Connection, claim: Claim, baseline: Mapping[str, Any], lease_s: float) -> bool:
    """Keep what the provider's books said before the first send, and renew the lease.

    False when the claim is no longer the payment's newest: then nothing may be sent.
    """
    row = connection.execute(
        """WITH renewed AS (
            UPDATE payments SET baseline = %(baseline)s::jsonb, due_at = clock() + make_interval(secs => %(lease_s)s)
            WHERE id = %(id)s AND state = 'sending' AND attempts = %(attempt)s AND due_at > clock()
            RETURNING id, attempts, due_at
        ) UPDATE attempts a SET lease_until = due_at FROM renewed
        WHERE a.payment_id = renewed.id AND a.number = renewed.attempts RETURNING payment_id""",
        {
            "id": claim.payment.id,
            "attempt": claim.attempt,
            "baseline": foreign.json_text(baseline),
            "lease_s": lease_s,
        },
    ).fetchone()
    return row is not None


def current(connection: Connection, payment_id: int) -> Payment:
    """The payment as it is now. Raises LookupError when there is none."""
    row = connection.execute(f"SELECT {PAYMENT_COLUMNS} FROM payments p WHERE p.id = %s", (payment_id,)).fetchone()
    if row is None:
        raise LookupError(f"there is no payment {payment_id}")
    return payment(row)
