"""Several claims in one statement, and several successes in one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.database import foreign
from shared.database import store as whole
from shared.database.engine import Connection
from shared.database.rows import PAYMENT_COLUMNS, payment
from shared.database.store import Seen
from shared.domain.answers import Answer
from shared.payments.store.send import BEGUN, Claim, Outcome
from shared.runtime import Limits

# Rows that somebody holds are passed over, here and below: nobody waits for a lot, and no two of them for each other.
# A lot holds only what is promised safe to send again, in a lane that runs: a probe goes alone.
_CLAIM = f"""
WITH free AS (
    SELECT p.id FROM unnest(%(ids)s::bigint[], %(references)s::text[]) AS n(id, reference)
    JOIN payments p ON p.id = n.id JOIN lanes l ON l.provider = p.provider
    WHERE coalesce(p.state, '') = 'dispatched' AND p.due_at > clock() AND p.sent_reference = n.reference
        AND p.resend_safe AND NOT p.reads_first AND (p.attempts > 0 OR NOT p.possibly_sent)
        AND l.running AND {whole.OPEN} AND public.pinned()
    ORDER BY p.id FOR NO KEY UPDATE OF p SKIP LOCKED
), claimed AS (
    UPDATE payments p SET state = 'sending', attempts = p.attempts + 1,
        due_at = clock() + make_interval(secs => %(lease_s)s),
        deadline = coalesce(p.deadline, lane_clock(l) + make_interval(secs => %(deadline_s)s))
    FROM free, lanes l WHERE p.id = free.id AND l.provider = p.provider
    RETURNING {PAYMENT_COLUMNS}, p.attempts, p.resend_safe, p.exclusive_key, p.body_sha256, p.due_at
), {BEGUN}
SELECT * FROM claimed ORDER BY id
"""

# Only what send.record would write in the same way: the newest attempt of a payment that is being sent, and no probe.
_SUCCEEDED = f"""
WITH ours AS (
    SELECT n.* FROM (
        SELECT * FROM ROWS FROM (jsonb_to_recordset(%(ended)s::jsonb) AS (id bigint, reference text, attempt integer,
            token uuid, kind text, http_status integer, detail text, provider_reference text, facts jsonb))
        WITH ORDINALITY AS r(id, reference, attempt, token, kind, http_status, detail, provider_reference, facts, place)
        -- so many there are: the planner would take them for a hundred, and read all attempts while these are few
        LIMIT %(count)s) AS n
    JOIN payments p ON p.id = n.id
    JOIN attempts a ON a.payment_id = n.id AND a.number = n.attempt AND a.token IS NOT DISTINCT FROM n.token
    WHERE coalesce(p.state, '') = 'sending' AND p.sent_reference = n.reference AND p.attempts = n.attempt
        AND public.pinned()
        AND NOT EXISTS (SELECT FROM lanes l WHERE l.provider = p.provider AND l.probe_payment_id = p.id)
    ORDER BY n.id FOR NO KEY UPDATE OF p SKIP LOCKED
), ended AS (
    UPDATE attempts a SET ended_at = clock(), meaning = 'succeeded', kind = ours.kind, http_status = ours.http_status,
        detail = ours.detail, refusal = false, facts = ours.facts
    FROM ours WHERE a.payment_id = ours.id AND a.number = ours.attempt
), moved AS (
    UPDATE payments p SET state = 'succeeded', in_doubt = false, possibly_sent = true, check_due = false,
        resend_asked = false, rung = 0, detail = ours.detail, code = NULL, due_at = NULL, hold_reason = NULL,
        provider_reference = coalesce(ours.provider_reference, p.provider_reference)
    FROM ours WHERE p.id = ours.id RETURNING ours.place
), lane AS (
    UPDATE lanes SET failures = 0 WHERE provider = %(provider)s AND failures > 0 AND EXISTS (SELECT FROM moved)
)
SELECT ARRAY(SELECT place - 1 FROM moved) AS moved,
    {whole.OPEN} AND EXISTS (SELECT FROM lanes WHERE provider = %(provider)s AND running) AS goes_on
"""


@dataclass(frozen=True, slots=True)
class Written:
    """moved: the places of those that have succeeded by it; the others have to be written one by one. goes_on: the
    store is open and the lane runs."""

    moved: frozenset[int]
    goes_on: bool


def claim(
    connection: Connection,
    names: Sequence[tuple[int, str]],
    worker_key: int,
    limits: Limits,
    *,
    token: UUID,
    seen: Seen,
) -> list[Claim]:
    """Claim those of these payments (id, reference) that are dispatched, in a lane that runs, under a lease that is
    alive, and promised safe to send again; what else there is needs a claim of its own (send.claim).

    Everything that send.claim says of one claim holds for each of these. token: the same for all.
    """
    given = {
        **seen.given(),
        "ids": [payment_id for payment_id, _ in names],
        "references": [reference for _, reference in names],
        "token": token,
        "worker_key": worker_key,
        "lease_s": limits.lease_s,
        "deadline_s": limits.deadline_s,
    }
    rows = connection.execute(_CLAIM, given).fetchall()
    return [Claim(payment(row), row["attempts"], row["resend_safe"], row["exclusive_key"], token=token) for row in rows]


def succeeded(connection: Connection, provider: str, ended: Sequence[tuple[Claim, Outcome]], seen: Seen) -> Written:
    """Write these successes of one provider, each as send.record does. Safe to repeat: what is written is not moved
    again."""
    # One document in place of nine arrays: psycopg writes an array value by value, in Python.
    rows = json.dumps([_row(claim, outcome.answer) for claim, outcome in ended])
    row = connection.execute(
        _SUCCEEDED, {**seen.given(), "provider": provider, "ended": rows, "count": len(ended)}
    ).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM always gives a row
    return Written(frozenset(row["moved"]), row["goes_on"])


def _row(claim: Claim, answer: Answer) -> Mapping[str, Any]:
    return {
        "id": claim.payment.id,
        "reference": claim.payment.sent_reference,
        "attempt": claim.attempt,
        "token": str(claim.token) if claim.token else None,
        "kind": foreign.text(answer.kind),
        "http_status": answer.http_status,
        "detail": foreign.text(answer.detail),
        "provider_reference": foreign.text(answer.provider_reference),
        "facts": foreign.plain(answer.facts) if answer.facts else None,
    }
