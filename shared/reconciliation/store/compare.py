"""The comparison with books that have a line for each payment, as statements of one transaction.

A line is ours by the reference that we sent, never by its amount and date. Temporary tables: `scope`, our payments;
`booked`, the lines, with the payment of each, `nth` 1 for the one that speaks for it; `invoices`, see there.
"""

from shared.archive.twins import every
from shared.database import bulk
from shared.database.engine import Connection
from shared.database.rows import SIGNED_MINOR
from shared.database.statements import statements
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store import compared
from shared.reconciliation.store.scope import ACCOUNT, IN_SCOPE, PAYMENTS, given

_SQL = statements(__file__)


CLOCKS_S = 300  # our clock and the provider's may differ by so much

COLUMNS = f"""p.id, {ACCOUNT} AS account, p.sent_reference AS marker, p.state, p.operation, p.currency,
    {SIGNED_MINOR} AS signed_minor, p.finished_at, p.books_key IS NOT NULL AS by_line"""

_SCOPE = f"""
CREATE TEMP TABLE scope ON COMMIT DROP AS
SELECT * FROM (SELECT {COLUMNS} FROM {PAYMENTS} p WHERE {IN_SCOPE}) s
"""

# The full listing tells of an account that was read what was read there: the same line again, under another id.
_LINES = """
SELECT * FROM provider_lines l WHERE l.run_id = %(run)s AND l.kind <> 'total' AND (l.touched OR NOT EXISTS (
    SELECT FROM provider_accounts a WHERE a.run_id = l.run_id AND a.account = l.account))
"""
IN_PERIOD = "l.at >= %(from)s AND l.at < %(to)s"
_CLOCKS = f"interval '{CLOCKS_S} s'"

# All lines, with the payment in scope that they carry the reference of.
_BOOKED = f"""
CREATE TEMP TABLE booked ON COMMIT DROP AS
SELECT s.id, l.number, 1 AS nth, s.currency <> l.currency AS exchanged, l.kind, l.account, l.marker, l.ours,
    l.amount_minor, l.currency, l.at, l.reference, l.status, l.touched
FROM ({_LINES}) l LEFT JOIN scope s ON s.marker = l.marker AND s.by_line
"""

# Payments of other nights about which the period's lines say something new: refused ones, ones that nobody knows
# about, and ones that are there twice or were booked after they had long succeeded. What came after the period and is
# under way, or succeeded after it, is another night's.
_PULLED = f"""
INSERT INTO scope
SELECT {COLUMNS} FROM (
    SELECT l.marker, max(l.at) FILTER (WHERE {IN_PERIOD}) AS at, count(*) AS lines
    FROM booked l WHERE l.ours AND l.id IS NULL GROUP BY l.marker HAVING bool_or(l.at IS NULL OR {IN_PERIOD})
) l JOIN {PAYMENTS} p ON p.sent_reference = l.marker
WHERE p.provider = %(provider)s AND p.books_key IS NOT NULL AND coalesce(p.finished_at, p.created_at) < %(started_at)s
    AND (p.finished_at IS NOT NULL OR p.created_at < %(to)s)
    AND (p.state <> 'succeeded' OR p.finished_at < %(to)s)
    AND (p.state <> 'succeeded' OR l.lines > 1 OR p.finished_at < l.at - {_CLOCKS})
RETURNING id
"""
# In three steps: of ten million rows nobody would guess how few have the same payment. By sorting: a hash table of so
# many is slower.
_REPEATED = """
CREATE TEMP TABLE repeated ON COMMIT DROP AS
SELECT DISTINCT id FROM (SELECT id, lag(id) OVER (ORDER BY id) AS before FROM booked WHERE id IS NOT NULL) b
WHERE id = before
"""
_RANKED = """
CREATE TEMP TABLE ranked ON COMMIT DROP AS
SELECT x.number, row_number() OVER (PARTITION BY x.id ORDER BY x.kind = 'payment' DESC, x.account = s.account DESC,
    (x.amount_minor, x.currency) = (s.signed_minor, s.currency) DESC, x.at NULLS LAST, x.number) AS nth
FROM repeated r JOIN booked x USING (id) JOIN scope s USING (id)
"""
_NTH = "UPDATE booked l SET nth = r.nth FROM ranked r WHERE l.number = r.number AND r.nth > 1"

# What the books themselves settled was told the night before: that it ended here later is no news.
_LATE = f"""
    CASE WHEN s.finished_at >= %(from)s AND s.finished_at < %(to)s
         THEN l.at < %(from)s - {_CLOCKS} OR l.at >= %(to)s + {_CLOCKS}
         ELSE {IN_PERIOD} AND s.finished_at < l.at - {_CLOCKS} END
    AND NOT EXISTS (SELECT FROM {every("checks")} c WHERE c.payment_id = s.id AND c.evidence ? 'reconciliation')
"""

_JUDGE = f"""
SELECT %(run)s::bigint AS run_id, s.id AS payment_id, s.account,
    CASE WHEN l.number IS NULL THEN CASE s.state WHEN 'succeeded' THEN 'missing_at_provider'
            WHEN 'refused' THEN 'matched' WHEN 'cancelled' THEN 'matched' ELSE 'still_unknown' END
        WHEN l.kind <> 'payment' OR l.account <> s.account THEN 'status_mismatch'
        WHEN s.state IN ('refused', 'cancelled') THEN 'paid_there_failed_here'
        WHEN l.amount_minor <> s.signed_minor OR l.currency <> s.currency THEN 'amount_mismatch'
        WHEN s.state <> 'succeeded' THEN 'status_mismatch'
        WHEN {_LATE} THEN 'late'
        ELSE 'matched' END AS category,
    s.state, s.finished_at, s.currency, CASE s.state WHEN 'succeeded' THEN s.signed_minor ELSE 0 END AS local_minor,
    CASE WHEN l.currency = s.currency THEN l.amount_minor ELSE 0 END AS provider_minor
FROM scope s LEFT JOIN booked l ON l.id = s.id AND l.nth = 1
WHERE s.by_line ORDER BY s.id
"""

LINE = """jsonb_build_object('kind', l.kind, 'account', l.account, 'marker', l.marker, 'amount_minor', l.amount_minor,
    'currency', l.currency, 'at', utc_text(l.at), 'reference', l.reference, 'status', l.status)"""
_PAYMENT = f"""jsonb_build_object('source', p.source, 'intent_id', p.intent_id, 'operation', p.operation,
    'state', c.state, 'amount_minor', {SIGNED_MINOR}, 'currency', p.currency, 'sent_reference', p.sent_reference,
    'finished_at', utc_text(c.finished_at), 'decided', (SELECT concat(r.action, ', by ', r.by_whom, ': ', r.reason)
        FROM {every("resolutions")} r WHERE r.payment_id = p.id ORDER BY r.id DESC LIMIT 1))"""
INTO = """INSERT INTO findings (run_id, identity, category, payment_id, account, currency, local_minor, provider_minor,
    evidence)"""

# Those that are not simply matched, once more: what names them need not look for them among millions.
_DIFFERING = """
CREATE TEMP TABLE differing ON COMMIT DROP AS
SELECT * FROM reconciled_payments WHERE run_id = %(run)s AND category <> 'matched'
"""

# `says`: a payment that is not final has exactly one line, of a payment made, with its reference, account and amount.
_FOUND = f"""
{INTO}
SELECT %(run)s, c.category || ':' || c.payment_id, c.category, c.payment_id, c.account, c.currency, c.local_minor,
    c.provider_minor, jsonb_strip_nulls(jsonb_build_object('payment', {_PAYMENT},
        'line', CASE WHEN l.number IS NOT NULL THEN {LINE} END,
        'says', CASE WHEN c.category = 'status_mismatch' AND c.finished_at IS NULL AND l.kind = 'payment'
                AND l.account = c.account AND NOT EXISTS (SELECT FROM repeated r WHERE r.id = l.id)
            THEN 'applied' END,
        'invoice', CASE WHEN i.account IS NOT NULL THEN to_jsonb(i) - 'account' - 'chosen' END))
FROM differing c JOIN {PAYMENTS} p ON p.id = c.payment_id
LEFT JOIN booked l ON l.id = c.payment_id AND l.nth = 1
LEFT JOIN invoices i ON p.books_key IS NULL AND i.account = c.account AND i.currency = c.currency
"""

# What more there is of a payment than the one line that speaks for it. The second one is what a late success against a
# success is (shared.payments.dispute): the same identity.
_FURTHER = f"""
{INTO}
SELECT %(run)s, k.category || ':' || c.id || CASE WHEN l.nth > 2 OR k.category <> 'duplicate_at_provider'
        THEN ':' || l.nth ELSE '' END, k.category, c.id, l.account, l.currency, 0, l.amount_minor,
    jsonb_strip_nulls(jsonb_build_object('payment', {_PAYMENT}, 'line', {LINE}))
FROM booked l JOIN scope c ON c.id = l.id JOIN {PAYMENTS} p ON p.id = c.id
LEFT JOIN differing d ON d.payment_id = c.id
CROSS JOIN LATERAL (SELECT CASE WHEN l.nth = 1 THEN d.category WHEN l.kind = 'payment' THEN 'duplicate_at_provider'
    ELSE 'status_mismatch' END AS category) k
WHERE l.nth > 1 OR l.exchanged
"""


def prepare(connection: Connection, run: Reconciliation) -> int:
    """The run's payments into `scope` and its lines into `booked`; how many payments were left out because their
    account was not read.

    The first statement of a transaction, which sees everything as of one moment from then on.
    """
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    bulk.prepare(connection)
    connection.execute("DELETE FROM findings WHERE run_id = %s", (run.id,))
    connection.execute(_SCOPE, given(run))
    unread = connection.execute(_SQL["unread"], given(run)).fetchone()
    connection.execute("ANALYZE scope")
    connection.execute(_BOOKED, given(run))
    pulled = [row["id"] for row in connection.execute(_PULLED, given(run)).fetchall()]
    if pulled:
        connection.execute(_SQL["book_pulled"], (pulled,))
    connection.execute(_REPEATED)
    connection.execute("ANALYZE repeated")
    connection.execute(_RANKED)
    connection.execute("ANALYZE ranked")
    connection.execute(_NTH)
    connection.execute("ANALYZE booked")
    return int(unread["unread"]) if unread else 0


def judge_lines(connection: Connection, run: Reconciliation) -> None:
    """Each payment of `scope` that has lines of its own beside its line."""
    compared.write(connection, run, _JUDGE)


def find(connection: Connection, run: Reconciliation) -> None:
    """Findings of the payments that are not simply matched, and of their further lines."""
    connection.execute(_DIFFERING, given(run))
    connection.execute("ALTER TABLE differing ADD PRIMARY KEY (payment_id)")
    connection.execute("ANALYZE differing")
    connection.execute(_FOUND, given(run))
    connection.execute(_FURTHER, given(run))
