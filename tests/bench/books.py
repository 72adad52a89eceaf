"""A night's payments and a provider's books for measuring the comparison: as many of one as of the other.

One in a hundred differs, in each of the ways that books with lines can. The rows are made in PostgreSQL: what is
measured is the comparison, not their making. The payments lie in the order of their ids, as the intake writes them; the
lines in another one.
"""

from datetime import UTC, date, datetime, timedelta

import psycopg

from shared.database.engine import driver_url

PROVIDER = "ubill"
DAY = date(2026, 11, 20)
START = datetime(2026, 11, 20, tzinfo=UTC)

# Of each thousand: 2 are missing there, 1 has another amount, 1 failed here, 1 is unknown here and there, 1 neither.
_PAYMENTS = """
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    sent_reference, state, finished_at, created_at, due_at, path, body, body_sha256, books_key, attempts, possibly_sent)
SELECT n, 'shop', 'ord-' || n, %(provider)s, 'settle', 100 + n %% 100000, 'GEL', 2, at, '{"account_id": 1}',
    substr(md5(n::text), 1, 20), state, CASE WHEN state IN ('succeeded', 'refused') THEN at END, at,
    CASE state WHEN 'unknown' THEN at END, '/payments/add', 'x', sha256('x'), %(provider)s || ':' || n %% %(accounts)s,
    1, true
FROM (SELECT n, %(start)s + n %% 86000 * interval '1 s' AS at,
        CASE n %% 1000 WHEN 3 THEN 'refused' WHEN 4 THEN 'unknown' WHEN 5 THEN 'unknown' ELSE 'succeeded' END AS state
      FROM generate_series(1::bigint, %(count)s) n) t
"""

# 1 of a thousand is there twice, 1 came after the day's end, 1 that nobody here knows of, 1 of somebody else.
_LINES = """
INSERT INTO provider_lines (run_id, number, kind, account, marker, ours, amount_minor, currency, at, reference, status,
    touched)
SELECT %(run)s, row_number() OVER (), 'payment', (n %% %(accounts)s)::text,
    CASE WHEN what = 'else' THEN 'cash ' || n WHEN what = 'lost' THEN substr(md5('lost' || n), 1, 20)
        ELSE substr(md5(n::text), 1, 20) END,
    what <> 'else', 100 + n %% 100000 + CASE WHEN n %% 1000 = 2 THEN 7 ELSE 0 END, 'GEL',
    %(start)s + n %% 86000 * interval '1 s' + CASE WHEN n %% 1000 = 6 THEN interval '30 h' ELSE '0' END,
    'R' || n || '-' || what, NULL, true
FROM (SELECT n, what FROM generate_series(1::bigint, %(count)s) n,
        LATERAL (SELECT 'line' AS what WHERE n %% 1000 NOT IN (0, 1, 5)
            UNION ALL SELECT 'again' WHERE n %% 1000 = 7
            UNION ALL SELECT 'lost' WHERE n %% 1000 = 8
            UNION ALL SELECT 'else' WHERE n %% 1000 = 9) w ORDER BY hashint8(n + 1)) t
"""


def fill(database_url: str, count: int) -> int:
    """So many payments, five under an account, and as many lines; the id of the run that has read them."""
    with psycopg.connect(driver_url(database_url), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # nobody is told of these, no key is looked up
        connection.execute("SET maintenance_work_mem = '256MB'")
        given = {"count": count, "provider": PROVIDER, "accounts": max(1, count // 5), "start": START}
        connection.execute("INSERT INTO lanes (provider) VALUES (%(provider)s)", given)
        row = connection.execute(
            """INSERT INTO reconciliations (provider, day, period_from, period_to, state, fetched_at)
            VALUES (%s, %s, %s, %s, 'fetched', now()) RETURNING id""",
            (PROVIDER, DAY, START, START + timedelta(days=1)),
        ).fetchone()
        assert row is not None
        given["run"] = row[0]
        connection.execute(_PAYMENTS, given)
        connection.execute(_LINES, given)
        connection.execute(
            "INSERT INTO provider_accounts SELECT %(run)s, n::text FROM generate_series(0, %(accounts)s - 1) n", given
        )
        connection.execute(
            """UPDATE reconciliations SET lines = (SELECT count(*) FROM provider_lines), started_at = now(),
            fetched_at = now()"""
        )
        connection.execute("VACUUM ANALYZE payments")
        connection.execute("CHECKPOINT")
        return int(row[0])
