"""The sums of a comparison, counted twice: over what was found, and over the payments and lines themselves.

A sum has no limit: each amount is a bigint, what a million of them come to need not be one.
"""

import json

from shared.database.engine import Connection, Row
from shared.database.rows import whole
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store.scope import given

_TOTALS = """
SELECT category, currency, count(*) AS count, sum(local_minor) AS local_minor,
    sum(provider_minor) AS provider_minor
FROM (
    SELECT category, currency, local_minor, provider_minor FROM reconciled_payments
    WHERE run_id = %(run)s AND category = 'matched'
    UNION ALL SELECT category, currency, local_minor, provider_minor FROM findings WHERE run_id = %(run)s
) t GROUP BY category, currency ORDER BY currency, category
"""

# Nothing here knows of categories: payments in scope that succeeded; lines of payments in scope, or found as nobody's;
# of invoices, what ours in scope come to and the difference.
_SUMS = """
SELECT currency, coalesce(sum(local_minor), 0) AS local_minor,
    coalesce(sum(provider_minor), 0) AS provider_minor
FROM (
    SELECT currency, sum(signed_minor) FILTER (WHERE state = 'succeeded') AS local_minor,
        sum(signed_minor) FILTER (WHERE state = 'succeeded' AND NOT by_line) AS provider_minor
    FROM scope GROUP BY currency
    UNION ALL SELECT currency, NULL, sum(difference_minor) FROM invoices GROUP BY currency
    UNION ALL
    SELECT currency, NULL, sum(amount_minor) FROM booked
    WHERE id IS NOT NULL OR number IN (SELECT number FROM strays) GROUP BY currency
) t GROUP BY currency
"""

_KEEP = """
UPDATE reconciliations SET state = 'compared', compared_at = clock(), totals = %(totals)s::jsonb, unread = %(unread)s
WHERE id = %(run)s
"""


def totals(connection: Connection, run: Reconciliation) -> list[Row]:
    """Each category's count and shares, by currency."""
    return [whole(row) for row in connection.execute(_TOTALS, given(run)).fetchall()]


def sums(connection: Connection, run: Reconciliation) -> dict[str, tuple[int, int]]:
    """By currency: our sum, and the provider's. To be called while the comparison's temporary tables are there."""
    rows = [whole(row) for row in connection.execute(_SUMS, given(run)).fetchall()]
    return {row["currency"]: (row["local_minor"], row["provider_minor"]) for row in rows}


def keep(connection: Connection, run: Reconciliation, totals: list[Row], unread: int) -> None:
    """The run is compared: its totals, in the transaction of its findings."""
    connection.execute(_KEEP, {"run": run.id, "totals": json.dumps(totals), "unread": unread})
