"""Checks of unknown payments: claimed without leaving `unknown`, their verdicts written in one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared import lanes
from shared.database import foreign
from shared.database import store as whole
from shared.database.engine import Connection, Row
from shared.database.rows import PAYMENT_COLUMNS, payment
from shared.database.store import Seen
from shared.domain.answers import MAX_SHOWN, CheckResult
from shared.domain.codes import Code
from shared.domain.payment import Payment
from shared.payments.store.send import BEGUN, Claim
from shared.runtime import Limits


@dataclass(frozen=True, slots=True)
class CheckClaim:
    """The right to check an unknown payment once. number fences the verdict.

    last_refusal: the provider's reason when the last attempt was an explicit no, else None.
    first_sent_at: when its first attempt began.
    window_passed: the settle window since the end of the last call (or of its lease) is over.
    sender_alive: a process whose attempt has no recorded end still lives.
    resend_asked: a person decided to send again; the check looks first.
    covered: what that person was shown and said "although" to (`look.told`); None: nothing.
    lost_times: see `store.STILL`.
    overdue: past its deadline, so it is parked rather than sent again.
    attempts: how often it was claimed for sending. resend_safe: the same request is promised to be safe.
    lost: of one that may have been sent in a lost time: `since` and `opened_at` (of the window), `frozen` (its request
    was there before), `drawn` (what was sent then may have had another reference). other_request: what is known to
    have been sent then was not this one's.
    """

    payment: Payment
    number: int
    rung: int
    resend_asked: bool
    exclusive_key: str | None
    last_refusal: str | None
    first_sent_at: datetime | None
    window_passed: bool
    sender_alive: bool
    overdue: bool
    attempts: int
    resend_safe: bool
    lost: Mapping[str, Any] | None = None
    other_request: bool = False
    covered: Mapping[str, Any] | None = None
    lost_times: str = ""


# What a check has to know of its payment p, in the lane l.
SEEN = f"""{PAYMENT_COLUMNS}, p.checks, p.rung, p.resend_asked, p.exclusive_key,
    (SELECT coalesce(a.detail, a.kind) FROM attempts a
     WHERE a.payment_id = p.id AND a.number = p.attempts AND a.refusal) AS last_refusal,
    (SELECT min(a.started_at) FROM attempts a WHERE a.payment_id = p.id) AS first_sent_at,
    coalesce((SELECT max(coalesce(a.ended_at, a.lease_until)) FROM attempts a
              WHERE a.payment_id = p.id AND a.meaning IS DISTINCT FROM 'not_sent')
        + make_interval(secs => %(window_s)s) <= clock(), true) AS window_passed,
    (SELECT coalesce(bool_or(worker_alive(a.worker_key)), false) FROM attempts a
     WHERE a.payment_id = p.id AND a.ended_at IS NULL) AS sender_alive,
    coalesce(p.deadline <= lane_clock(l), false) AS overdue, p.attempts, p.resend_safe,
    (SELECT a.facts FROM attempts a WHERE a.payment_id = p.id AND a.number = 0) AS lost,
    (SELECT a.body_sha256 <> p.body_sha256 FROM attempts a WHERE a.payment_id = p.id AND a.number = 0) IS TRUE
        AS other_request,
    (SELECT CASE WHEN r.although IS NOT NULL THEN r.look END FROM resolutions r
     WHERE r.payment_id = p.id AND r.action = 'resend' ORDER BY r.id DESC LIMIT 1) AS covered,
    {whole.LOST_TIMES} AS lost_times"""

_CLAIM = f"""
UPDATE payments p SET checks = p.checks + 1, check_due = false, due_at = clock() + make_interval(secs => %(lease_s)s)
FROM lanes l
WHERE p.id = %(id)s AND p.state = 'unknown' AND p.check_due AND l.provider = p.provider
    AND p.sent_reference = coalesce(%(reference)s::text, p.sent_reference) AND {whole.OPEN} AND public.pinned()
    AND (l.running OR l.paused_at IS NULL AND l.probe_payment_id = p.id)
RETURNING {SEEN}
"""

_LANE = lanes.probed("probe_payment_id")
_KEEP = f"""
kept AS (
    INSERT INTO checks (payment_id, number, verdict, detail, evidence)
    SELECT id, %(number)s, %(verdict)s, %(detail)s, %(evidence)s::jsonb
    FROM payments WHERE id = %(id)s AND sent_reference = %(reference)s AND {whole.STILL} AND public.pinned()
    ON CONFLICT DO NOTHING  -- a check that slept for very long may find it archived
), {_LANE}
"""

# Against a final state the evidence is kept with its dispute, in one transaction, and not here.
_APPLIED = f"""
WITH moved AS (
    UPDATE payments SET state = 'succeeded', in_doubt = false, due_at = NULL, hold_reason = NULL,
        detail = %(detail)s, code = NULL, provider_reference = coalesce(%(provider_reference)s, provider_reference)
    WHERE id = %(id)s AND sent_reference = %(reference)s AND state NOT IN ('succeeded', 'refused', 'cancelled')
        AND public.pinned()
    RETURNING id, provider, books_key
), taken AS (
    INSERT INTO taken_lines (provider, account, line, payment_id)
    SELECT provider, books_key, %(line)s, id FROM moved WHERE books_key IS NOT NULL AND %(line)s::text IS NOT NULL
    ON CONFLICT DO NOTHING  -- a person took it for another payment: this one is applied all the same
), kept AS (
    INSERT INTO checks (payment_id, number, verdict, detail, evidence)
    SELECT id, %(number)s, %(verdict)s, %(detail)s, %(evidence)s::jsonb FROM moved ON CONFLICT DO NOTHING
), {_LANE}
SELECT id FROM moved
"""

# The ladder ends in parked; so does the deadline, which one that only waits for books that can't be read gets where it
# has none.
_INCONCLUSIVE = f"""
WITH {_KEEP}
UPDATE payments p SET rung = rung + %(climb)s,
    deadline = CASE WHEN %(climb)s > 0 THEN deadline
        ELSE coalesce(deadline, lane_clock(l) + make_interval(secs => %(deadline_s)s)) END,
    resend_asked = resend_asked AND rung + %(climb)s < %(rungs)s AND coalesce(deadline > lane_clock(l), true),
    state = CASE WHEN rung + %(climb)s >= %(rungs)s OR deadline <= lane_clock(l) THEN 'parked' ELSE 'unknown' END,
    detail = %(detail)s,
    code = CASE WHEN rung + %(climb)s >= %(rungs)s OR deadline <= lane_clock(l) THEN %(undecided)s
        ELSE %(inconclusive)s END,
    due_at = CASE WHEN rung + %(climb)s >= %(rungs)s OR deadline <= lane_clock(l) THEN NULL
        ELSE clock() + make_interval(secs => %(wait_s)s) END
FROM lanes l
WHERE p.id = %(id)s AND p.state = 'unknown' AND p.checks = %(number)s AND l.provider = p.provider
    AND p.sent_reference = %(reference)s AND {whole.STILL}
RETURNING p.id
"""

_REFUSED = f"""
WITH {_KEEP}
UPDATE payments SET state = 'refused', in_doubt = false, due_at = NULL, detail = %(refusal)s,
    code = %(refused)s
WHERE id = %(id)s AND state = 'unknown' AND checks = %(number)s AND sent_reference = %(reference)s AND {whole.STILL}
RETURNING id
"""

# NOT_APPLIED and the claim of the resend are one statement: nobody can send in between. A sender that may still
# be on the wire is looked for once more, in the same statement. The baseline stays: the verdict rests on it, and one
# read after it would hide a first refund that comes late.
_RESEND = f"""
WITH {_KEEP}, claimed AS (
    UPDATE payments p SET state = 'sending', attempts = p.attempts + 1, in_doubt = %(in_doubt)s, resend_asked = false,
        due_at = clock() + make_interval(secs => %(lease_s)s),
        deadline = coalesce(p.deadline, lane_clock(l) + make_interval(secs => %(deadline_s)s))
    FROM lanes l
    WHERE p.id = %(id)s AND p.state = 'unknown' AND p.checks = %(number)s AND l.provider = p.provider
        AND p.sent_reference = %(reference)s AND {whole.OPEN} AND {whole.STILL} AND public.pinned()
        AND (l.running OR l.paused_at IS NULL AND l.probe_payment_id = p.id)
        AND worker_alive(%(worker_key)s)
        AND NOT EXISTS (SELECT FROM attempts a WHERE a.payment_id = p.id AND a.ended_at IS NULL
                        AND worker_alive(a.worker_key))
    RETURNING {PAYMENT_COLUMNS}, p.attempts, p.resend_safe, p.exclusive_key, p.body_sha256, p.due_at
), {BEGUN}
SELECT * FROM claimed
"""


def claim(
    connection: Connection,
    payment_id: int,
    lease_s: float,
    window_s: float,
    *,
    seen: Seen,
    reference: str | None = None,
) -> CheckClaim | None:
    """Claim the dispatched check of an unknown payment; None when it was claimed before, its lane stands still or the
    store is not open. reference: the payment's; None: whichever it has."""
    given = {"id": payment_id, "reference": reference, "lease_s": lease_s, "window_s": window_s}
    row = connection.execute(_CLAIM, seen.given() | given).fetchone()
    return None if row is None else as_seen(row)


def as_seen(row: Row) -> CheckClaim:
    """The claim in a row that holds SEEN."""
    return CheckClaim(
        payment=payment(row),
        number=row["checks"],
        rung=row["rung"],
        resend_asked=row["resend_asked"],
        exclusive_key=row["exclusive_key"],
        last_refusal=row["last_refusal"],
        first_sent_at=row["first_sent_at"],
        window_passed=row["window_passed"],
        sender_alive=row["sender_alive"],
        overdue=row["overdue"],
        attempts=row["attempts"],
        resend_safe=row["resend_safe"],
        lost=row["lost"],
        other_request=row["other_request"],
        covered=row["covered"],
        lost_times=row["lost_times"],
    )


def applied(connection: Connection, claim: CheckClaim, result: CheckResult, limits: Limits) -> bool:
    """The books say APPLIED: succeeded, whoever holds the payment now. False when it was final already; then the
    evidence is not kept yet (see `keep`). Safe to repeat."""
    return connection.execute(_APPLIED, _given(claim, result, limits)).fetchone() is not None


def keep(connection: Connection, claim: CheckClaim, result: CheckResult, limits: Limits) -> None:
    """Keep what a check found and change nothing about its payment. Safe to repeat."""
    connection.execute(f"WITH {_KEEP} SELECT", _given(claim, result, limits))


def inconclusive(
    connection: Connection,
    claim: CheckClaim,
    result: CheckResult,
    ladder_s: Sequence[float],
    limits: Limits,
    *,
    back_off_s: float = 0.0,
) -> None:
    """Climb the ladder of waits; its end, or the deadline, is parked, and so is what only a person can settle. A
    check that could not be made, because the provider is down or the books could not be read, stays on its rung and
    waits `back_off_s`: it says nothing. A mistake of ours climbs: more reads don't mend it."""
    stays = result.provider_down or (result.unread and not result.broken)
    climb = 0 if stays else 1
    if result.for_person:
        climb = len(ladder_s)
    rung = claim.rung + climb
    wait_s = ladder_s[rung] if rung < len(ladder_s) else 0
    given = _given(claim, result, limits) | {
        "climb": climb,
        "rungs": len(ladder_s),
        "wait_s": back_off_s if stays else wait_s,
        "deadline_s": limits.deadline_s,
    }
    connection.execute(_INCONCLUSIVE, given)


def refused(connection: Connection, claim: CheckClaim, result: CheckResult, limits: Limits) -> None:
    """NOT_APPLIED after an explicit no: the no is final."""
    connection.execute(_REFUSED, _given(claim, result, limits) | {"refusal": claim.last_refusal})


def resend(
    connection: Connection,
    claim: CheckClaim,
    result: CheckResult,
    worker_key: int,
    limits: Limits,
    *,
    seen: Seen,
    token: UUID | None = None,
) -> Claim | None:
    """Record the verdict and claim the resend; None when somebody else was faster or may still be sending.

    Where a person asked for the resend without a NOT_APPLIED the doubt stays with the payment. token: see
    `send.claim`.
    """
    given = _given(claim, result, limits) | {
        **seen.given(),
        "sends": True,
        "token": token,
        "worker_key": worker_key,
        "lease_s": limits.lease_s,
        "deadline_s": limits.deadline_s,
        "in_doubt": result.verdict.value != "not_applied",
    }
    row = connection.execute(_RESEND, given).fetchone()
    if row is None:
        return None
    return Claim(payment(row), row["attempts"], row["resend_safe"], row["exclusive_key"], claim.resend_asked, token)


def kept(result: CheckResult) -> Mapping[str, Any]:
    """What is kept of a check: its evidence, with what it showed (at most MAX_SHOWN lines)."""
    shown = {"shown": result.shown[:MAX_SHOWN]} if result.shown else {}
    candidates = {"candidates": result.candidates[:MAX_SHOWN]} if result.candidates else {}
    return {**result.evidence, **shown, **candidates}


def _given(claim: CheckClaim, result: CheckResult, limits: Limits) -> dict[str, object]:
    return {
        "id": claim.payment.id,
        "reference": claim.payment.sent_reference,
        "number": claim.number,
        "lost_times": claim.lost_times,
        "provider": claim.payment.provider,
        "verdict": result.verdict.value,
        "detail": foreign.text(result.detail),
        "evidence": foreign.json_text(kept(result)),
        "provider_reference": foreign.text(result.provider_reference),
        "line": foreign.text(result.line),
        "down": result.provider_down,
        "unread": result.unread,
        "sends": False,
        "refused": Code.PROVIDER_REFUSED,
        "inconclusive": Code.INCONCLUSIVE,
        "undecided": Code.UNDECIDED,
        "breaker_open_s": limits.breaker_open_s,
    }
