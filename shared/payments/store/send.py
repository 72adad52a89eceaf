"""Claims and outcomes: one statement and one round trip each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared import lanes
from shared.database import foreign
from shared.database import store as whole
from shared.database.engine import Connection, Row
from shared.database.rows import PAYMENT_COLUMNS, payment
from shared.database.statements import statements
from shared.database.store import Seen
from shared.domain.answers import Answer, Meaning
from shared.domain.payment import Payment, State
from shared.providers.answer_codes import code_of
from shared.runtime import Limits

_SQL = statements(__file__)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to send a payment once. attempt is the fencing token: its outcome is recorded under it.

    resend_asked: a person asked for this resend, and asks for another look and send where it did not go out.
    token: what was written with the attempt. A database that lost time gives the same number once more, to another.
    """

    payment: Payment
    attempt: int
    resend_safe: bool
    exclusive_key: str | None
    resend_asked: bool = False
    token: UUID | None = None


# What each claim of a payment writes of its `claimed`.
BEGUN = """begun AS (
    INSERT INTO attempts (payment_id, number, started_at, lease_until, worker_key, body_sha256, token)
    SELECT id, attempts, clock(), due_at, %(worker_key)s, body_sha256, %(token)s FROM claimed
)"""
# coalesce: else the planner may walk all that is dispatched, dead entries included, to find one id.
# Nothing that may have been applied is sent again from here, unless that is promised to be safe: the claim of such a
# resend is one with a fresh look into the books (check.resend), however the payment came to be dispatched.
# What the books said counts while an attempt is in doubt; else they are read again, just before the send.
_CLAIM = f"""
WITH claimed AS (
    UPDATE payments p SET state = 'sending', attempts = p.attempts + 1,
        baseline = CASE WHEN p.in_doubt THEN p.baseline END,
        due_at = clock() + make_interval(secs => %(lease_s)s),
        deadline = coalesce(p.deadline, lane_clock(l) + make_interval(secs => %(deadline_s)s))
    FROM lanes l
    WHERE p.id = %(id)s AND l.provider = p.provider AND coalesce(p.state, '') = 'dispatched' AND p.due_at > clock()
        AND p.sent_reference = coalesce(%(reference)s::text, p.sent_reference)
        AND {whole.OPEN} AND public.pinned()
        AND (l.running OR l.paused_at IS NULL AND l.probe_payment_id = p.id)
        AND CASE WHEN p.attempts = 0 AND p.possibly_sent THEN false  -- in a lost time
            WHEN p.resend_safe THEN true
            WHEN p.attempts > 0 AND ever_doubtful(p.id, NULL) THEN false
            ELSE worker_alive(%(worker_key)s) END
    RETURNING {PAYMENT_COLUMNS}, p.attempts, p.resend_safe, p.exclusive_key, p.body_sha256, p.due_at
), {BEGUN}
SELECT * FROM claimed
"""

# SUCCEEDED is written under any token while the payment is not final; against a final one nothing is written here: that
# needs the dispute in the same transaction. Any other late outcome corrects its own attempt, and moves the payment only
# from unknown: a refusal if no newer attempt exists, "not sent" if no attempt is left that may have been applied.
# An attempt that proves nothing (not sent, 401) leaves what was before it, and what a check said of that is old by now:
# where a resend is not safe, the books are looked at again before one.
# A refusal of an attempt that was claimed before a lost time proves nothing: another attempt may have followed in that
# time, and be what it was refused for. The payment waits for its lease, and is in doubt.
_RECORD = f"""
WITH judged AS (
    SELECT p.id, d.doubtful, d.sent_else, d.outlived, p.attempts = %(attempt)s AS newest,
        %(to)s = 'succeeded' OR p.state = 'sending' AND p.attempts = %(attempt)s AND NOT d.outlived
        OR %(to)s = 'refused' AND p.state = 'unknown' AND p.attempts = %(attempt)s AND NOT d.outlived
        OR %(unsent)s AND p.state = 'unknown' AND NOT d.doubtful AS moves
    FROM payments p CROSS JOIN LATERAL (
        SELECT CASE WHEN p.attempts > 1 OR p.possibly_sent THEN ever_doubtful(p.id, %(attempt)s) ELSE false END
                AS doubtful,
            CASE WHEN p.attempts > 1 OR p.possibly_sent THEN ever_sent(p.id, %(attempt)s) ELSE false END AS sent_else,
            CASE WHEN %(to)s = 'refused' AND p.possibly_sent THEN EXISTS (
                SELECT FROM attempts a JOIN attempts lost ON lost.payment_id = a.payment_id AND lost.number = 0
                WHERE a.payment_id = p.id AND a.number = %(attempt)s
                    AND a.started_at <= (lost.facts ->> 'opened_at')::timestamptz) ELSE false END AS outlived
    ) d
    WHERE public.pinned()
        AND p.id = %(id)s AND p.sent_reference = %(reference)s AND p.state NOT IN ('succeeded', 'refused', 'cancelled')
        AND (%(to)s = 'succeeded' OR (p.attempts = %(attempt)s OR %(unsent)s) AND EXISTS (
            SELECT FROM attempts a WHERE a.payment_id = p.id AND a.number = %(attempt)s
            AND a.token IS NOT DISTINCT FROM %(token)s))
    FOR UPDATE OF p
), attempt AS (
    UPDATE attempts SET ended_at = clock(), meaning = %(meaning)s, kind = %(kind)s, http_status = %(http_status)s,
        detail = %(detail)s, refusal = %(refusal)s, facts = %(facts)s::jsonb
    WHERE payment_id = %(id)s AND number = %(attempt)s AND token IS NOT DISTINCT FROM %(token)s
        AND (%(to)s <> 'succeeded' OR EXISTS (SELECT FROM judged))
), moved AS (
    UPDATE payments p SET
        in_doubt = CASE WHEN %(proves_nothing)s AND newest THEN doubtful
                        WHEN %(proves_nothing)s THEN in_doubt AND doubtful ELSE %(in_doubt)s OR outlived END,
        possibly_sent = CASE WHEN %(unsent)s THEN possibly_sent AND sent_else
                             ELSE possibly_sent OR %(possibly_sent)s END,
        state = CASE WHEN NOT moves THEN p.state
                     WHEN %(to)s = 'waiting' AND doubtful AND NOT p.resend_safe THEN 'unknown' ELSE %(to)s END,
        -- the number fences a check that is under way: what it saw was before this
        checks = p.checks + CASE WHEN moves AND %(unsent)s AND p.state = 'unknown' THEN 1 ELSE 0 END,
        check_due = p.check_due AND NOT moves, rung = CASE WHEN moves THEN 0 ELSE rung END,
        resend_asked = CASE WHEN moves THEN %(asked)s AND doubtful AND NOT p.resend_safe ELSE p.resend_asked END,
        detail = CASE WHEN moves THEN %(detail)s ELSE detail END, code = CASE WHEN moves THEN %(code)s ELSE code END,
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
    RETURNING judged.moves, p.state
), {lanes.SENT}
SELECT coalesce((SELECT moves FROM moved), false) AS moved, (SELECT state FROM moved) AS state,
    coalesce((SELECT halts FROM lane), false) AS halts,
    coalesce((SELECT running FROM lane), (SELECT running FROM lanes WHERE provider = %(provider)s), true) AS goes_on
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to, decided before it is written.

    to: where the payment goes; what may not wait because an earlier attempt may have been applied is unknown instead.
    wait_s: until it is due there; None in a final state.
    again_s: the wait in place of wait_s when the attempt before this one ended the same way; None: no difference.
    signal: what it says of the provider: `down`, `alive`, or `none`. halt: the reason to halt the lane. took_s: of the
    call. begun_s, called_s: boot times, from before the claim was issued and at the call; 0: unknown, none was made.
    """

    answer: Answer
    to: State
    wait_s: float | None
    in_doubt: bool
    possibly_sent: bool
    signal: str
    halt: str | None = None
    again_s: float | None = None
    took_s: float = 0.0
    begun_s: float = 0.0
    called_s: float = 0.0

    @property
    def plainly_succeeded(self) -> bool:
        """It succeeded, and says nothing else."""
        return self.to is State.SUCCEEDED and self.signal == "alive" and self.halt is None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What writing an outcome did. True when the payment moved; False when it was final already, or the attempt is no
    longer its last.

    state: the payment's; None where it was final. halts: the lane ran until this outcome halted it. goes_on: false
    where the lane was seen to stand still.
    """

    moved: bool
    state: State | None
    halts: bool
    goes_on: bool

    def __bool__(self) -> bool:
        return self.moved


def claim(
    connection: Connection,
    payment_id: int,
    worker_key: int,
    limits: Limits,
    token: UUID | None = None,
    *,
    seen: Seen,
    reference: str | None = None,
) -> Claim | None:
    """Claim a dispatched payment whose lease is alive, in a lane that runs; None when that is not so, or the store is
    not open.

    The attempt is written with it: from here on the payment counts as possibly sent. token: by which `unclaim` knows
    the attempt, should the answer to this be lost. reference: the payment's; None: whichever it has.
    """
    given = {
        **seen.given(),
        "id": payment_id,
        "reference": reference,
        "token": token,
        "worker_key": worker_key,
        "lease_s": limits.lease_s,
        "deadline_s": limits.deadline_s,
    }
    row = connection.execute(_CLAIM, given).fetchone()
    if row is None:
        return None
    return Claim(payment(row), row["attempts"], row["resend_safe"], row["exclusive_key"], token=token)


def record(connection: Connection, claim: Claim, outcome: Outcome, limits: Limits) -> Recorded:
    """Write an attempt's outcome: attempt, payment, event and lane in one statement. Safe to repeat.

    A success whose payment is final writes nothing: it is written with its dispute.
    """
    answer = outcome.answer
    given = _end(claim, answer) | {
        "provider": claim.payment.provider,
        "unsent": answer.meaning is Meaning.NOT_SENT,
        "proves_nothing": answer.meaning in (Meaning.NOT_SENT, Meaning.REAUTH),
        "asked": claim.resend_asked and answer.meaning is Meaning.NOT_SENT,
        "provider_reference": foreign.text(answer.provider_reference),
        "to": outcome.to.value,
        "code": code_of(answer),
        "wait_s": outcome.wait_s,
        "again_s": outcome.again_s,
        "in_doubt": outcome.in_doubt,
        "possibly_sent": outcome.possibly_sent,
        "signal": outcome.signal,
        "halt": foreign.text(outcome.halt),
        "breaker_failures": limits.breaker_failures,
        "breaker_open_s": limits.breaker_open_s,
        "probe_every_s": lanes.PROBE_EVERY_S,
    }
    row = connection.execute(_RECORD, given).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM always gives a row
    return Recorded(row["moved"], row["state"] and State(row["state"]), row["halts"], row["goes_on"])


def end(connection: Connection, claim: Claim, answer: Answer) -> None:
    """Write how an attempt ended and nothing else. Safe to repeat."""
    connection.execute(_SQL["end"], _end(claim, answer))


def _end(claim: Claim, answer: Answer) -> dict[str, object]:
    return {
        "id": claim.payment.id,
        "reference": claim.payment.sent_reference,
        "attempt": claim.attempt,
        "token": claim.token,
        "meaning": answer.meaning.value,
        "kind": foreign.text(answer.kind),
        "http_status": answer.http_status,
        "detail": foreign.text(answer.detail),
        "refusal": answer.meaning is Meaning.REFUSED or (answer.refusal and answer.meaning is not Meaning.HALT),
        "facts": foreign.json_text(answer.facts) if answer.facts else None,
    }


def unclaim(connection: Connection, payment_id: int, token: UUID, limits: Limits) -> bool:
    """End the attempt that was claimed with this token as not sent: its payment is due at once. False while there is
    none: the claim was not committed.

    Only for whoever lost the claim's answer, and so never sent. Safe to repeat.
    """
    find = "SELECT number, ended_at FROM attempts WHERE payment_id = %s AND token = %s"
    row = connection.execute(find, (payment_id, token)).fetchone()
    if row is None or row["ended_at"] is not None:
        return row is not None
    detail = "the claim's answer was lost with the connection; nothing was sent"
    answer = Answer("claim_lost", Meaning.NOT_SENT, detail=detail)
    outcome = Outcome(answer, State.WAITING, wait_s=0.0, in_doubt=False, possibly_sent=False, signal="none")
    lost = Claim(current(connection, payment_id), row["number"], False, None, token=token)
    record(connection, lost, outcome, limits)
    return True


def save_baseline(connection: Connection, claim: Claim, baseline: Mapping[str, Any], lease_s: float) -> bool:
    """Keep what the provider's books said before the first send, and renew the lease.

    False when the claim is no longer the payment's newest: then nothing may be sent.
    """
    given = {"id": claim.payment.id, "attempt": claim.attempt, "baseline": foreign.json_text(baseline)}
    return connection.execute(_SQL["save_baseline"], given | {"lease_s": lease_s}).fetchone() is not None


def named(connection: Connection, payment_id: int, reference: str) -> Row | None:
    """What there is under an id that a message names: another payment (`another`: under another reference, so what
    names it is of a time that was lost), its provider, and whether its lane stands still (`stands`). None: nothing."""
    return connection.execute(_SQL["named"], {"id": payment_id, "reference": reference}).fetchone()


def current(connection: Connection, payment_id: int) -> Payment:
    """The payment as it is now. Raises LookupError when there is none."""
    row = connection.execute(f"SELECT {PAYMENT_COLUMNS} FROM payments p WHERE p.id = %s", (payment_id,)).fetchone()
    if row is None:
        raise LookupError(f"there is no payment {payment_id}")
    return payment(row)
