"""Very many payments that wait for a person, written directly."""

from shared import lanes
from shared.database.engine import Connection

# A list of the provider's books, an account's, is of twenty payments; sums repeat, and so do moments: a lane parks many
# at once. Every second payment was looked up, and its list shows a line of its sum.
_MANY = (
    """INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at,
        target, created_at, state, detail, attempts, possibly_sent, in_doubt, sent_reference, path, body, body_sha256,
        books_key, event_seq, parked_at)
    SELECT nextval('payment_ids'), 'shop', 'p' || n, (ARRAY['ubill', 'mtn'])[1 + n %% 2], 'settle', 100 + n %% 997,
        (ARRAY['MNT', 'GHS'])[1 + n %% 2], 2, clock() - interval '9 days', jsonb_build_object('account_id', n / 20),
        clock() - interval '8 days' + n * interval '1 s', 'parked', 'nobody knows', 1, true, true, 'made-up-' || n, '/',
        'x', sha256('x'), 'books:' || n / 20, 3, clock() - make_interval(secs => (n * 7919 %% 100000) / 10)
    FROM generate_series(1, %(count)s) n""",
    """INSERT INTO events (payment_id, event_id, type, subject, data, created_at)
    SELECT id, id || '-' || s, (ARRAY['settlepipe.payment.accepted', 'settlepipe.payment.unknown',
        'settlepipe.payment.parked'])[s], 'shop/' || intent_id, '{}',
        CASE s WHEN 3 THEN parked_at ELSE created_at END
    FROM payments, generate_series(1, 3) s WHERE state = 'parked' ORDER BY s, id""",
    """INSERT INTO attempts (payment_id, number, started_at, lease_until, ended_at, worker_key, body_sha256, meaning,
        kind)
    SELECT id, 1, created_at, created_at, created_at, 1, body_sha256, 'CHECK', 'made_up' FROM payments""",
    """INSERT INTO checks (payment_id, number, checked_at, verdict, detail, evidence)
    SELECT id, 1, parked_at, 'inconclusive', 'a line may be it', jsonb_build_object('lines', 1, 'candidates',
        jsonb_build_array(jsonb_build_object('line', 'L' || id, 'amount_minor', amount_minor, 'at', created_at)))
    FROM payments WHERE id % 2 = 0""",
    """INSERT INTO discrepancies (category, provider, identity, evidence, currency, local_minor, provider_minor,
        payment_id, first_seen)
    SELECT 'paid_elsewhere', provider, 'i' || id, '{}', currency, 0, amount_minor, id, parked_at + interval '1 s'
    FROM payments WHERE id % 97 = 0""",
)


def parked_many(connection: Connection, count: int) -> None:
    """So many, of two providers, with all that the inbox looks at."""
    lanes.ensure(connection, ["ubill", "mtn"])
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        for statement in _MANY:
            connection.execute(statement.encode(), {"count": count} if "%(count)s" in statement else None)
    connection.execute("ANALYZE")
