"""Lines in the provider's books that belong to no payment of the comparison.

One that carries a reference like ours is missing here. One under an account of ours without such a reference is
somebody else's money. One with the reference of a payment of another night is that night's;
of a payment at another provider it is nobody's here.
"""

from shared.database.engine import Connection
from shared.database.rows import SIGNED_MINOR
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store.compare import IN_PERIOD, INTO, LINE
from shared.reconciliation.store.scope import ARISEN, PAYMENTS, given

# What arose on a later day is that night's, also where this one is made up for.
# A line without a date counts only with a reference like ours: nobody could say on which night it was new. One that was
# found on another night stays in sight as long as its discrepancy is open.
_STRAYS = f"""
CREATE TEMP TABLE strays ON COMMIT DROP AS
WITH open AS (
    SELECT identity, account FROM discrepancies d
    WHERE provider = %(provider)s AND resolved_at IS NULL AND payment_id IS NULL AND account IS NOT NULL AND {ARISEN}
), stray AS (
    SELECT l.number, l.account, l.at, coalesce({IN_PERIOD}, l.ours) AS new,
        CASE WHEN l.ours THEN 'missing_locally' ELSE 'paid_elsewhere' END AS category,
        CASE WHEN l.ours THEN l.marker ELSE coalesce(l.reference,
            concat_ws('/', utc_text(l.at), l.amount_minor, l.marker)) END AS key
    FROM booked l
    WHERE l.id IS NULL AND (l.touched OR l.ours)
        AND (coalesce({IN_PERIOD}, l.ours) OR l.account IN (SELECT account FROM open))
        AND NOT (l.ours AND EXISTS (SELECT FROM {PAYMENTS} p
            WHERE p.sent_reference = l.marker AND p.provider = %(provider)s AND p.books_key IS NOT NULL))
), named AS (
    SELECT number, new, category, category || ':' || %(prefix)s || account || ':' || key ||
        CASE WHEN nth > 1 THEN ':' || nth ELSE '' END AS identity
    FROM (SELECT *, row_number() OVER (PARTITION BY category, account, key ORDER BY at, number) AS nth FROM stray) s
)
SELECT number, category, identity FROM named n WHERE (new OR identity IN (SELECT identity FROM open))
    AND NOT EXISTS (SELECT FROM discrepancies d WHERE d.identity = n.identity AND NOT {ARISEN})
"""

# Whose it could be, for people to look at; an amount proves nothing. An open payment of just this amount; ours that
# succeeded about then with the same amount, which may be paid twice; ours of which it is a correction. 20 of them.
_CANDIDATES = f"""
    SELECT jsonb_agg(c.named) AS payments FROM (
        SELECT jsonb_build_object('source', p.source, 'intent_id', p.intent_id, 'state', p.state,
            'amount_minor', {SIGNED_MINOR}, 'sent_reference', p.sent_reference) AS named
        FROM scope s JOIN payments p ON p.id = s.id
        WHERE s.account = l.account AND s.currency = l.currency AND s.signed_minor = l.amount_minor
            AND s.finished_at IS NULL
        UNION ALL
        SELECT jsonb_build_object('source', p.source, 'intent_id', p.intent_id, 'state', p.state,
            'amount_minor', {SIGNED_MINOR}, 'sent_reference', p.sent_reference)
        FROM {PAYMENTS} p WHERE p.books_key = %(prefix)s || l.account AND p.state = 'succeeded'
            AND p.provider = %(provider)s AND p.currency = l.currency AND ({SIGNED_MINOR} = -l.amount_minor
                OR l.kind = 'payment' AND {SIGNED_MINOR} = l.amount_minor
                    AND p.finished_at BETWEEN l.at - interval '2 days' AND l.at + interval '2 days')
        LIMIT 20) c
"""

_FOUND = f"""
{INTO}
SELECT %(run)s, s.identity, s.category, NULL, l.account, l.currency, 0, l.amount_minor,
    jsonb_strip_nulls(jsonb_build_object('line', {LINE}, 'payments', c.payments))
FROM strays s JOIN booked l ON l.number = s.number AND l.id IS NULL
LEFT JOIN LATERAL ({_CANDIDATES}) c ON s.category = 'paid_elsewhere'
"""


def find(connection: Connection, run: Reconciliation) -> None:
    """Findings of these lines, each by what is the same on another night: its account and its text."""
    connection.execute(_STRAYS, given(run))
    connection.execute(_FOUND, given(run))
