"""Payments that a provider's books show as applied, while we did not know."""

from collections.abc import Sequence

from shared.database.engine import Connection
from shared.domain.discrepancies import Reconciliation

_SHOWN = """
SELECT payment_id FROM findings WHERE run_id = %(run)s AND evidence ->> 'says' = 'applied' ORDER BY payment_id
"""

# The check's number fences a check that is under way: its verdict moves nothing any more.
_APPLIED = """
WITH moved AS (
    UPDATE payments SET state = 'succeeded', checks = checks + 1, in_doubt = false, due_at = NULL, hold_reason = NULL,
        resend_asked = false, detail = %(detail)s
    WHERE id = ANY(%(ids)s) AND state NOT IN ('succeeded', 'refused', 'cancelled') RETURNING id, checks
)
INSERT INTO checks (payment_id, number, verdict, detail, evidence)
SELECT m.id, m.checks, 'applied', %(detail)s,
    jsonb_build_object('reconciliation', %(run)s::bigint, 'day', %(day)s::text, 'line', f.evidence -> 'line')
FROM moved m JOIN findings f ON f.run_id = %(run)s AND f.identity = 'status_mismatch:' || m.id
"""

_USED = """
SELECT count(*) AS used FROM findings f
WHERE f.run_id = %(run)s AND f.evidence ->> 'says' = 'applied' AND EXISTS (
    SELECT FROM checks c
    WHERE c.payment_id = f.payment_id AND c.evidence -> 'reconciliation' = to_jsonb(%(run)s::bigint))
"""


def shown(connection: Connection, run: Reconciliation) -> list[int]:
    """The payments that the run's books show as applied and that were not final then, in order."""
    return [row["payment_id"] for row in connection.execute(_SHOWN, {"run": run.id}).fetchall()]


def applied(connection: Connection, run: Reconciliation, payment_ids: Sequence[int]) -> None:
    """Succeeded, with the line as the evidence, in one statement; nothing where one is final already."""
    detail = f"the books of {run.day} show it as applied"
    connection.execute(_APPLIED, {"run": run.id, "day": str(run.day), "ids": list(payment_ids), "detail": detail})


def used(connection: Connection, run: Reconciliation) -> int:
    """How many payments succeeded by this run's evidence."""
    row = connection.execute(_USED, {"run": run.id}).fetchone()
    return int(row["used"]) if row else 0
