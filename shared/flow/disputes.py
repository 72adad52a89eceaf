"""Late evidence against a final state: the state stays, people are told."""

from collections.abc import Mapping
from typing import Any

from shared.domain.payment import State
from shared.flow.runtime import Runtime
from shared.store import archive, events, foreign
from shared.store.attempts import Claim
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)

_FIND = """
SELECT p.state, p.provider, p.resend_safe,
    (SELECT count(*) FROM attempts a WHERE a.payment_id = p.id
     AND (a.meaning = 'succeeded' OR a.number = %(succeeded)s)) AS successes
FROM payments p WHERE p.id = %(id)s FOR UPDATE
"""

# What the books closed is open again: they can't have shown this. What a person closed stays so.
_KEEP = """
INSERT INTO discrepancies AS d (category, provider, payment_id, identity, evidence)
VALUES (%(category)s, %(provider)s, %(id)s, %(identity)s, %(evidence)s::jsonb)
ON CONFLICT (identity) DO UPDATE SET last_seen = clock(),
    resolved_at = CASE WHEN d.resolved_by <> 'books' THEN d.resolved_at END,
    resolved_by = nullif(d.resolved_by, 'books'),
    resolved_reason = CASE WHEN d.resolved_by <> 'books' THEN d.resolved_reason END
RETURNING d.first_seen = d.last_seen AS fresh
"""


def dispute(runtime: Runtime, claim: Claim) -> None:
    """An attempt succeeded after its payment was final: a discrepancy, an event and an alert where it is one."""
    dispute_evidence(runtime, claim.payment.id, {"attempt": claim.attempt, "says": "succeeded"}, attempt=claim.attempt)


def dispute_evidence(
    runtime: Runtime, payment_id: int, evidence: Mapping[str, Any], attempt: int | None = None
) -> None:
    """Evidence says that this final payment was applied; kept unless that is what its state says.

    attempt: the number of the one that succeeded late. A payment in the archive comes back, and stays while the
    discrepancy is open.
    """
    with runtime.database.transaction() as connection:
        sought = {"id": payment_id, "succeeded": attempt}
        row = connection.execute(_FIND, sought).fetchone()
        if row is None:
            archive.recall(connection, [payment_id])
            row = connection.execute(_FIND, sought).fetchone()
        if row is None:
            return
        if row["state"] in (State.REFUSED, State.CANCELLED):
            category = "paid_there_failed_here"
        elif row["state"] == State.SUCCEEDED and row["successes"] > 1 and not row["resend_safe"]:
            category = "duplicate_at_provider"
        else:
            return
        given = {
            "category": category,
            "provider": row["provider"],
            "id": payment_id,
            "identity": f"{category}:{payment_id}",
            "evidence": foreign.json_text(evidence),
        }
        kept = connection.execute(_KEEP, given).fetchone()
        if kept and kept["fresh"]:
            events.disputed(connection, [payment_id])
    alert(category, "late evidence contradicts a final payment", payment_id=payment_id)
