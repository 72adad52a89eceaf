"""Which of our payments a night's comparison looks at, and under which accounts the provider is asked about them.

In scope is what was possibly sent and ended in the period, or had not ended when it was compared and came before the
period's end; and whatever an open discrepancy is about. What ended while the books were being read is another night's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.discrepancies import Reconciliation
from shared.store.archive import every
from shared.store.engine import Connection

PAYMENTS = every("payments")
# What a payment stands under in the provider's books: its key without the provider's name.
ACCOUNT = "coalesce(substr(coalesce(p.books_key, p.exclusive_key), length(p.provider) + 2), '')"
SIGNED = "CASE p.operation WHEN 'settle' THEN p.amount_minor ELSE -p.amount_minor END"
_SENT = """(p.state IN ('succeeded', 'sending', 'unknown') OR p.possibly_sent OR p.in_doubt
    OR p.attempts > 0 AND p.finished_at IS NOT NULL)"""
_OPEN = "SELECT d.payment_id FROM discrepancies d WHERE d.provider = %(provider)s AND d.resolved_at IS NULL"
IN_SCOPE = f"""
    p.provider = %(provider)s AND coalesce(p.finished_at, p.created_at) < %(started_at)s
    AND ({_SENT} AND (p.finished_at >= %(from)s AND p.finished_at < %(to)s
            OR p.finished_at IS NULL AND p.created_at < %(to)s)
        OR p.id IN ({_OPEN} AND d.payment_id IS NOT NULL))
"""

_TOUCHED = f"""
SELECT DISTINCT ON (account) account, target FROM (
    SELECT {ACCOUNT} COLLATE "C" AS account, coalesce(s.target, p.target) AS target, p.id
    FROM {PAYMENTS} p LEFT JOIN {PAYMENTS} s ON s.id = p.settle_id
    WHERE {IN_SCOPE}
    UNION ALL
    SELECT d.account COLLATE "C", coalesce(s.target, p.target), p.id
    FROM (SELECT DISTINCT account FROM discrepancies d WHERE d.provider = %(provider)s AND d.resolved_at IS NULL
          AND d.payment_id IS NULL AND d.account IS NOT NULL) d
    CROSS JOIN LATERAL (
        SELECT * FROM {PAYMENTS} p WHERE p.provider = %(provider)s AND p.state = 'succeeded'
            AND (p.books_key = %(provider)s || ':' || d.account OR p.exclusive_key = %(provider)s || ':' || d.account)
        LIMIT 1
    ) p LEFT JOIN {PAYMENTS} s ON s.id = p.settle_id
) t WHERE account > %(after)s AND account <> '' ORDER BY account, id LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Touched:
    """An account to read, with the target of a payment of ours that stands under it."""

    account: str
    target: Mapping[str, Any]


def given(run: Reconciliation) -> dict[str, object]:
    """What the statements about a run are given."""
    return {
        "run": run.id,
        "provider": run.provider,
        "from": run.period_from,
        "to": run.period_to,
        "started_at": run.started_at,
        "prefix": f"{run.provider}:",
    }


def touched(connection: Connection, run: Reconciliation, after: str, limit: int) -> list[Touched]:
    """The next accounts to read, in a fixed order (by code points) after `after` ('' at the beginning).

    Those of the payments in scope, and those that open discrepancies are about, where a payment of ours tells how to
    ask about them.
    """
    rows = connection.execute(_TOUCHED, given(run) | {"after": after, "limit": limit}).fetchall()
    return [Touched(row["account"], row["target"]) for row in rows]
