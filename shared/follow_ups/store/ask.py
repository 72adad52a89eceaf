"""Follow-ups of a success (VAT receipts, text messages), with states of their own. What is ambiguous is a person's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared import lanes
from shared.database import foreign
from shared.database import store as whole
from shared.database.engine import Connection
from shared.database.rows import PAYMENT_COLUMNS, payment
from shared.database.statements import statements
from shared.database.store import Seen
from shared.domain.codes import Code
from shared.domain.payment import Payment
from shared.domain.request import Request
from shared.events.types import written

_SQL = statements(__file__)


@dataclass(frozen=True, slots=True)
class FollowUpClaim:
    """The right to ask for a follow-up once.

    kind: `receipt` or `sms`. provider: whose lane it goes through. age_s: since it was asked for.
    request: None until it is built. lost_times: see `shared.database.store.STILL`.
    """

    id: int
    kind: str
    provider: str
    payment: Payment
    attempt: int
    age_s: float
    request: Request | None
    lost_times: str = ""


_TOLD = written(
    payment="p.id",
    id="p.id || '-' || (p.before + e.place)",
    type="'settlepipe.' || e.kind || '.' || e.told",
    subject="p.source || '/' || p.intent_id",
    data="""json_build_object('source', p.source, 'intent_id', p.intent_id, 'state', e.told,
        'detail', e.detail, 'answer', e.answer, 'code', e.code)""",
    rows="FROM numbered p JOIN ended e ON e.payment_id = p.id ORDER BY p.id, e.place",
)

# A follow-up's events are numbered with its payment's: one order for all that is told of a payment. A payment may
# have several that move at once. Only a message is `sent`; a receipt is `issued`.
EVENT = f"""
ended AS (
    SELECT *, CASE WHEN kind = 'sms' AND state = 'issued' THEN 'sent' ELSE state END AS told,
        row_number() OVER (PARTITION BY payment_id ORDER BY id) AS place, count(*) OVER (PARTITION BY payment_id) AS n
    FROM moved WHERE state IN ('issued', 'refused', 'parked')
), numbered AS (
    UPDATE payments p SET event_seq = p.event_seq + e.n FROM ended e WHERE p.id = e.payment_id AND e.place = 1
    RETURNING p.id, p.event_seq - e.n AS before, p.source, p.intent_id
), told AS (
    {_TOLD}
)
"""

_REFUSE_OLD = f"""
WITH moved AS (
    UPDATE follow_ups SET state = 'refused', due_at = NULL, finished_at = clock(),
        code = 'too_old', detail = 'it is too old to be sent: ' || provider || ' is off, or its lane stood still'
    WHERE kind = 'sms' AND state IN ('waiting', 'dispatched') AND due_at <= clock()
        AND asked_at <= clock() - make_interval(secs => %(older_s)s)
    RETURNING *
), {EVENT}
SELECT id FROM moved
"""

_CLAIM = f"""
WITH claimed AS (
    UPDATE follow_ups f SET state = 'sending', attempts = attempts + 1, unasked = true,
        due_at = clock() + make_interval(secs => %(lease_s)s)
    FROM lanes l
    WHERE f.id = %(id)s AND state = 'dispatched' AND due_at > clock() AND l.provider = f.provider
        AND {whole.OPEN}
        AND (l.running OR l.paused_at IS NULL AND l.probe_follow_up_id = f.id)
    RETURNING f.*
)
SELECT {PAYMENT_COLUMNS}, c.id AS follow_up_id, c.kind, c.provider AS lane, c.attempts AS attempt,
    c.path AS own_path, c.body AS own_body, extract(epoch FROM clock() - c.asked_at)::float8 AS age_s,
    {whole.LOST_TIMES} AS lost_times
FROM claimed c JOIN payments p ON p.id = c.payment_id
"""

# One that was parked because its lease ran out waits after all when its process says that nothing was asked for.
_RECORD = f"""
WITH stands AS (
    SELECT CASE WHEN %(refusal)s THEN EXISTS (
        SELECT FROM follow_ups f WHERE f.provider = %(provider)s AND f.kind = %(kind)s AND f.due_at IS NOT NULL
        AND f.detail = %(detail)s) ELSE true END AS already
), moved AS (
    UPDATE follow_ups SET state = %(to)s, detail = %(detail)s, code = %(code)s, answer = %(answer)s::jsonb,
        reference = coalesce(%(reference)s, reference),
        due_at = clock() + make_interval(secs => %(wait_s)s::float8),
        finished_at = CASE WHEN %(to)s IN ('issued', 'refused') THEN clock() END
    WHERE id = %(id)s AND attempts = %(attempt)s AND {whole.STILL}
        AND (state = 'sending' OR state = 'parked' AND %(to)s IN ('issued', 'waiting'))
    RETURNING *
), {EVENT}, {lanes.probed("probe_follow_up_id")}
SELECT NOT already AS begins FROM stands
"""


def refuse_old(connection: Connection, older_s: float) -> int:
    """Refuse the messages that are due for longer than this, and that nobody took; how many."""
    return connection.execute(_REFUSE_OLD, {"older_s": older_s}).rowcount


def claim(connection: Connection, follow_up_id: int, lease_s: float, *, seen: Seen) -> FollowUpClaim | None:
    """Claim a dispatched follow-up whose lease is alive, in a lane that runs, or as its probe; none where the store is
    not open."""
    row = connection.execute(_CLAIM, seen.given() | {"id": follow_up_id, "lease_s": lease_s}).fetchone()
    if row is None:
        return None
    body = row["own_body"]
    request = None if body is None else Request(row["own_path"], bytes(body))
    return FollowUpClaim(
        row["follow_up_id"],
        row["kind"],
        row["lane"],
        payment(row),
        row["attempt"],
        row["age_s"],
        request,
        row["lost_times"],
    )


def begin(connection: Connection, claim: FollowUpClaim, request: Request) -> bool:
    """Keep the request, and that it is about to be asked for. False when the claim ran out: it must not be."""
    given: dict[str, object] = {"id": claim.id, "attempt": claim.attempt, "lost_times": claim.lost_times}
    given |= {"path": request.path, "body": request.body}
    return connection.execute(_SQL["begin"], given).fetchone() is not None


@dataclass(frozen=True, slots=True)
class FollowUpOutcome:
    """What came of asking: to `issued`, `refused`, `parked`, or `waiting` for another try after wait_s seconds.

    reference: the provider's own id of it. alive: the provider answered and let us in; down: it is down.
    refusal: it said "not now".
    """

    to: str
    detail: str | None
    answer: Mapping[str, Any] | None = None
    reference: str | None = None
    wait_s: float | None = None
    alive: bool = False
    down: bool = False
    refusal: bool = False
    code: Code | None = None


def record(connection: Connection, claim: FollowUpClaim, outcome: FollowUpOutcome, breaker_open_s: float) -> bool:
    """Write what came of it. Safe to repeat. True when it is the first of its kind to wait for this refusal."""
    given = {
        "id": claim.id,
        "attempt": claim.attempt,
        "lost_times": claim.lost_times,
        "provider": claim.provider,
        "kind": claim.kind,
        "to": outcome.to,
        "detail": foreign.text(outcome.detail),
        "code": outcome.code,
        "answer": foreign.json_text(outcome.answer) if outcome.answer else None,
        "reference": foreign.text(outcome.reference),
        "wait_s": outcome.wait_s,
        "refusal": outcome.refusal,
        "down": outcome.down,
        "unread": not outcome.alive,
        "sends": False,
        "breaker_open_s": breaker_open_s,
    }
    row = connection.execute(_RECORD, given).fetchone()
    return bool(row and row["begins"])
