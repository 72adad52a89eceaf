"""The living list of discrepancies, and its one writer: a night's comparison, late evidence, a person who closes.

One row for the same finding, however often it is found. What the books closed is open again when it is found again;
what a person closed stays closed, unless its figures are others than that person saw.
"""

from collections.abc import Mapping
from typing import Any

from shared.archive.recall import recall
from shared.archive.twins import every
from shared.database import foreign
from shared.database.engine import Connection
from shared.database.statements import statements
from shared.domain.discrepancies import Reconciliation
from shared.events import outbox

_SQL = statements(__file__)


BOOKS = "books"  # who closes what was not found again

# Seen is when the books were read: an old night that is compared again says nothing about what was found since.
# What a person closed stays closed, unless its figures are others than that person saw.
_AGAIN = f"""
    d.resolved_at <= %(seen)s AND (d.resolved_by = '{BOOKS}' OR d.provider_minor IS NOT NULL
        AND (d.local_minor, d.provider_minor) <> (excluded.local_minor, excluded.provider_minor)) IS TRUE
"""

_DISPUTED = f"""
SELECT DISTINCT excluded.payment_id FROM findings excluded LEFT JOIN discrepancies d USING (identity)
WHERE excluded.run_id = %(run)s AND excluded.category IN ('paid_there_failed_here', 'duplicate_at_provider')
    AND (d.id IS NULL OR {_AGAIN}) ORDER BY 1
"""

_KEEP = f"""
INSERT INTO discrepancies AS d (category, provider, payment_id, identity, evidence, first_seen, last_seen, currency,
    local_minor, provider_minor, account, run_id)
SELECT category, %(provider)s, payment_id, identity, evidence, %(seen)s, %(seen)s, currency, local_minor,
    provider_minor, account, run_id
FROM findings WHERE run_id = %(run)s ORDER BY identity
ON CONFLICT (identity) DO UPDATE SET evidence = excluded.evidence, currency = excluded.currency,
    local_minor = excluded.local_minor, provider_minor = excluded.provider_minor, account = excluded.account,
    last_seen = greatest(d.last_seen, excluded.last_seen),
    run_id = CASE WHEN {_AGAIN} THEN excluded.run_id ELSE coalesce(d.run_id, excluded.run_id) END,
    resolved_at = CASE WHEN {_AGAIN} THEN NULL ELSE d.resolved_at END,
    resolved_by = CASE WHEN {_AGAIN} THEN NULL ELSE d.resolved_by END,
    resolved_reason = CASE WHEN {_AGAIN} THEN NULL ELSE d.resolved_reason END
WHERE d.last_seen <= excluded.last_seen OR d.run_id IS NULL
"""

# Looked at: the payment was compared, or everything under the account was read. A line that was missing here is not
# when its payment has come since (out of a backup, say). A line that was found before may be a row that can't be read
# now: where there are such rows none is closed for not being found again.
_CLOSE = f"""
WITH gone AS MATERIALIZED (
    SELECT d.id, d.payment_id, d.account, d.category, d.evidence #>> '{{line,marker}}' AS marker,
        EXISTS (SELECT FROM provider_accounts a
            WHERE a.run_id = %(run)s AND a.account = d.account AND a.unreadable > 0) AS hidden
    FROM discrepancies d
    WHERE d.provider = %(provider)s AND d.resolved_at IS NULL AND d.last_seen <= %(seen)s
        AND NOT EXISTS (SELECT FROM findings f WHERE f.run_id = %(run)s AND f.identity = d.identity)
), looked_at AS (
    SELECT g.id FROM gone g JOIN reconciled_payments c ON c.run_id = %(run)s AND c.payment_id = g.payment_id
        WHERE NOT (g.hidden AND g.category = 'duplicate_at_provider')
    UNION SELECT g.id FROM gone g JOIN provider_accounts a ON a.run_id = %(run)s AND a.account = g.account
        WHERE g.payment_id IS NULL AND NOT g.hidden
    UNION SELECT g.id FROM gone g JOIN {every("payments")} p ON p.sent_reference = g.marker
        WHERE g.category = 'missing_locally' AND p.provider = %(provider)s
)
UPDATE discrepancies d SET resolved_at = %(seen)s, resolved_by = '{BOOKS}', resolved_reason = %(reason)s
FROM looked_at l WHERE d.id = l.id
"""

_CLOSE_SETTLED = f"""
UPDATE discrepancies SET resolved_at = %(seen)s, resolved_by = '{BOOKS}', resolved_reason = %(settled_reason)s
WHERE identity = ANY(%(settled)s) AND resolved_at IS NULL
"""


def keep_late(
    connection: Connection, category: str, provider: str, payment_id: int, evidence: Mapping[str, Any]
) -> None:
    """Late evidence contradicts a final payment: on the list, and told of as disputed unless it is known."""
    given = {
        "category": category,
        "provider": provider,
        "id": payment_id,
        "identity": f"{category}:{payment_id}",
        "evidence": foreign.json_text(evidence),
    }
    kept = connection.execute(_SQL["keep_late"], given).fetchone()
    if kept and kept["fresh"]:
        outbox.disputed(connection, [payment_id])


def carry_on(connection: Connection, run: Reconciliation) -> int:
    """Open, keep and close by what the run found; how many of those that it opened are open. One transaction of the
    caller's. Payments that ended otherwise than the books say are told of as disputed, once."""
    given: dict[str, object] = {
        "run": run.id,
        "provider": run.provider,
        "seen": run.fetched_at,
        "reason": f"the books as read for {run.day} agree",
        "settled_reason": f"the books of {run.day} show it as applied, so it succeeded",
    }
    disputed = [row["payment_id"] for row in connection.execute(_DISPUTED, given).fetchall()]
    recall(connection, disputed)
    given["settled"] = [row["identity"] for row in connection.execute(_SQL["settled"], given).fetchall()]
    for statement in (_KEEP, _CLOSE_SETTLED, _CLOSE):
        connection.execute(statement, given)
    outbox.disputed(connection, disputed)
    row = connection.execute(
        "SELECT count(*) AS fresh FROM discrepancies WHERE run_id = %(run)s AND resolved_at IS NULL", given
    ).fetchone()
    return int(row["fresh"]) if row else 0


def close(connection: Connection, number: int, reason: str, by: str) -> bool:
    """A person explains it; False when it was closed before, or there is none."""
    return bool(
        connection.execute(
            """UPDATE discrepancies SET resolved_at = clock(), resolved_by = %s, resolved_reason = %s
            WHERE id = %s AND resolved_at IS NULL""",
            (by, reason, number),
        ).rowcount
    )
