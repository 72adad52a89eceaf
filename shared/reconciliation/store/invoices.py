"""The comparison with books that have only totals: what an invoice was paid in all beside what all of ours come to.

An invoice's total says how much, never which payment: what one of ours is missing, or what somebody else paid, is a
difference. The provider's sum is therefore what ours on the invoice come to, and the difference.
"""

from shared.database.engine import Connection
from shared.database.rows import SIGNED_MINOR
from shared.database.statements import statements
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store.compare import COLUMNS, INTO
from shared.reconciliation.store.scope import ACCOUNT, ARISEN, PAYMENTS, SENT, given

_SQL = statements(__file__)


# net_minor: ours that had succeeded before anything was read. A total may hold more than the period's by then, or
# less: what has succeeded since the period, and what came after it and is under way. These go one after another (the
# exclusive key), so that it holds the first ones of them: `so_far`. A total is one of the time of reading: a difference
# that arose on a later day is not this night's, where it is made up for. Invoices of the listing that we never paid are
# nobody's business.
_INVOICES = f"""
CREATE TEMP TABLE invoices ON COMMIT DROP AS
WITH line AS (
    SELECT DISTINCT ON (account) account, currency, amount_minor, status, touched FROM provider_lines
    WHERE run_id = %(run)s AND kind = 'total' ORDER BY account, touched DESC, number DESC
), known AS (
    SELECT account, currency, bool_or(paid) AS paid FROM (
        SELECT account, currency, touched AS paid FROM line
        UNION ALL SELECT account, currency, true FROM scope WHERE NOT by_line
        UNION ALL SELECT d.account, d.currency, false FROM discrepancies d
            JOIN provider_accounts a ON a.account = d.account
        WHERE a.run_id = %(run)s AND d.provider = %(provider)s AND d.payment_id IS NULL AND d.resolved_at IS NULL
            AND {ARISEN}
    ) k GROUP BY account, currency
), ours AS (
    SELECT {ACCOUNT} AS account, p.currency, {SIGNED_MINOR} AS signed_minor, p.finished_at, p.id
    FROM {PAYMENTS} p WHERE p.provider = %(provider)s AND p.state = 'succeeded' AND p.books_key IS NULL
        AND p.exclusive_key IN (SELECT %(prefix)s || account FROM known)
), net AS (
    SELECT account, currency, coalesce(sum(signed_minor) FILTER (WHERE finished_at < %(started_at)s), 0) AS net_minor,
        coalesce(sum(signed_minor) FILTER (WHERE finished_at < %(to)s), 0) AS days_minor
    FROM ours GROUP BY 1, 2
), later AS (
    SELECT account, currency,
        sum(signed_minor) OVER (PARTITION BY account, currency ORDER BY finished_at NULLS LAST, id) AS so_far_minor
    FROM (
        SELECT * FROM ours WHERE finished_at >= %(to)s
        UNION ALL
        SELECT {ACCOUNT}, p.currency, {SIGNED_MINOR}, NULL, p.id
        FROM payments p WHERE p.provider = %(provider)s AND p.books_key IS NULL AND p.created_at >= %(to)s
            AND p.state IN ('sending', 'waiting', 'unknown', 'parked') AND {SENT}
            AND p.exclusive_key IN (SELECT %(prefix)s || account FROM known)
    ) o
), compared AS (
    SELECT account, currency, coalesce(amount_minor, 0) AS amount_paid_minor, coalesce(net_minor, 0) AS net_minor,
        coalesce(amount_minor, 0) - coalesce(net_minor, 0) AS difference_minor,
        coalesce(amount_minor, 0) - coalesce(days_minor, 0) AS since_minor, status
    FROM known LEFT JOIN line USING (account, currency) LEFT JOIN net USING (account, currency)
    WHERE net.account IS NOT NULL OR known.paid
)
SELECT account, currency, amount_paid_minor, net_minor, CASE WHEN since_minor = 0 OR EXISTS (SELECT FROM later l
        WHERE (l.account, l.currency, l.so_far_minor) = (c.account, c.currency, c.since_minor))
    OR EXISTS (SELECT FROM discrepancies d WHERE d.provider = %(provider)s AND d.account = c.account
        AND d.evidence ? 'invoice' AND NOT {ARISEN})
    THEN 0 ELSE difference_minor END AS difference_minor, status, NULL::bigint AS chosen
FROM compared c
"""
_NONE = """
CREATE TEMP TABLE invoices (account text, currency text, amount_paid_minor bigint, net_minor numeric,
    difference_minor numeric, status text, chosen bigint) ON COMMIT DROP
"""

# One of ours explains the difference: a refund that did not lower the total (of whatever night), or a settle of this
# night that did not raise it. The latest, where several could be the one.
_CHOOSE = f"""
UPDATE invoices i SET chosen = coalesce(
    (SELECT p.id FROM {PAYMENTS} p WHERE i.difference_minor > 0 AND p.state = 'succeeded' AND p.operation = 'refund'
        AND p.provider = %(provider)s AND p.exclusive_key = %(prefix)s || i.account AND p.currency = i.currency
        AND p.amount_minor = i.difference_minor AND p.finished_at < %(to)s
     ORDER BY EXISTS (SELECT FROM scope s WHERE s.id = p.id) DESC, p.finished_at DESC, p.id DESC LIMIT 1),
    (SELECT s.id FROM scope s WHERE i.difference_minor < 0 AND s.state = 'succeeded' AND NOT s.by_line
        AND s.account = i.account AND s.currency = i.currency AND s.signed_minor = -i.difference_minor
     ORDER BY s.finished_at DESC, s.id DESC LIMIT 1))
WHERE difference_minor <> 0
"""

_PULLED = f"""
INSERT INTO scope SELECT {COLUMNS} FROM {PAYMENTS} p
WHERE p.id IN (SELECT chosen FROM invoices) AND NOT EXISTS (SELECT FROM scope s WHERE s.id = p.id)
"""

# candidates: ours with exactly this amount, for people to look at; a total proves nothing about them.
_DIFFERENCES = f"""
WITH unexplained AS (
    SELECT * FROM invoices WHERE difference_minor <> 0 AND chosen IS NULL
), candidates AS (
    SELECT i.account, i.currency, p.id, row_number() OVER (PARTITION BY i.account, i.currency ORDER BY p.id) AS place,
        jsonb_build_object('source', p.source, 'intent_id', p.intent_id, 'state', p.state,
            'amount_minor', {SIGNED_MINOR}, 'sent_reference', p.sent_reference) AS named
    FROM unexplained i JOIN {PAYMENTS} p ON p.exclusive_key = %(prefix)s || i.account AND p.currency = i.currency
    WHERE p.provider = %(provider)s AND CASE WHEN i.difference_minor > 0 THEN {SIGNED_MINOR} = i.difference_minor
        ELSE p.state = 'succeeded' AND EXISTS (SELECT FROM scope s WHERE s.id = p.id) END
), listed AS (
    SELECT account, currency, jsonb_agg(named ORDER BY id) AS payments FROM candidates WHERE place <= 20
    GROUP BY account, currency
)
{INTO}
SELECT %(run)s, k.category || ':' || %(prefix)s || i.account, k.category, NULL, i.account, i.currency, 0,
    i.difference_minor, jsonb_strip_nulls(jsonb_build_object(
        'invoice', to_jsonb(i) - 'account' - 'chosen', 'payments', l.payments))
FROM unexplained i LEFT JOIN listed l ON l.account = i.account AND l.currency = i.currency
CROSS JOIN LATERAL (
    SELECT CASE WHEN i.difference_minor > 0 THEN 'paid_elsewhere' ELSE 'amount_mismatch' END AS category) k
"""


def prepare(connection: Connection, run: Reconciliation) -> None:
    """The invoices of the run into `invoices`, with what explains a difference; empty for books with lines."""
    row = connection.execute(_SQL["needed"], given(run)).fetchone()
    if not (row and row["needed"]):
        connection.execute(_NONE)
        return
    connection.execute("CREATE INDEX ON scope (id)")  # each difference looks for what could explain it
    connection.execute("CREATE INDEX ON scope (account) WHERE NOT by_line")
    connection.execute(_INVOICES, given(run))
    connection.execute("ANALYZE invoices")
    connection.execute(_CHOOSE, given(run))
    connection.execute(_PULLED, given(run))


def judge(connection: Connection, run: Reconciliation) -> None:
    """Each payment of `scope` that stands under an invoice."""
    connection.execute(_SQL["judge"], given(run))


def find(connection: Connection, run: Reconciliation) -> None:
    """Findings of the differences that none of our payments explains alone."""
    connection.execute(_DIFFERENCES, given(run))
