"""A night's own day apart from what is carried forward: which day each entry belongs to, and what changed of old ones.

An entry is a payment of ours with the line that speaks for it, a further line, or an invoice's difference. A payment
belongs to the day on which it succeeded, one that has not ended to the day on which it came; any other entry, and what
is there of one that was refused, to the day of the night that found it first. An entry of the night's own day adds to
that day's sums alone. Of an entry of an earlier day the night keeps what it had added before, and adds now; where an
entry came to the night's own day from an earlier one, it is taken back from that one. So all days and all changes
together are what the entries come to, each counted once.
"""

from shared.archive.twins import every
from shared.database.engine import Connection
from shared.domain.discrepancies import Reconciliation
from shared.reconciliation.store.scope import given

NIGHTS = 400  # before this one; what no night has looked at for longer counts as it did then

# The same entry on every night, whatever its category is. f: a finding.
KEY = """CASE WHEN f.identity = f.category || ':' || f.payment_id AND f.category <> 'duplicate_at_provider'
    THEN 'payment:' || f.payment_id
    WHEN f.payment_id IS NULL AND f.evidence ? 'invoice' THEN 'invoice:' || f.account ELSE f.identity END"""

# Each entry as the newest night before this one saw it.
_EARLIER = f"""
CREATE TEMP TABLE earlier ON COMMIT DROP AS
WITH nights AS (
    SELECT id, day FROM reconciliations WHERE provider = %(provider)s AND compared_at IS NOT NULL
        AND day < %(day)s AND day >= %(day)s - {NIGHTS}
)
SELECT DISTINCT ON (key, currency) * FROM (
    SELECT {KEY} AS key, f.currency, coalesce(f.of_day, n.day) AS of_day, f.local_minor, f.provider_minor,
        n.day AS seen, false AS carried
    FROM findings f JOIN nights n ON n.id = f.run_id
    UNION ALL
    SELECT c.key, c.currency, c.of_day, c.local_minor, c.provider_minor, n.day, true
    FROM carried_entries c JOIN nights n ON n.id = c.run_id
) e ORDER BY key, currency, seen DESC, carried DESC
"""

# What was gone when it was seen last, and is there again, arose now.
_OF_DAY = f"""
UPDATE findings f SET of_day = k.of_day FROM (
    SELECT f.identity, least(%(day)s::date, CASE
        WHEN {KEY} LIKE 'payment:%%' AND coalesce(c.state NOT IN ('refused', 'cancelled'), true)
        THEN (coalesce(c.finished_at, p.created_at) AT TIME ZONE %(zone)s)::date
        ELSE (SELECT min(e.of_day) FROM earlier e
            WHERE e.key = {KEY} AND (e.local_minor, e.provider_minor) <> (0, 0)) END) AS of_day
    FROM findings f
    LEFT JOIN reconciled_payments c ON c.run_id = %(run)s AND c.payment_id = f.payment_id
    LEFT JOIN {every("payments")} p ON p.id = f.payment_id
    WHERE f.run_id = %(run)s
) k WHERE f.run_id = %(run)s AND f.identity = k.identity
"""

_OWN = "c.finished_at >= %(from)s AND c.finished_at < %(to)s"

# The payments of earlier days, or seen earlier. home: the night of a payment's own day, where it was compared.
_CARRIED = """
CREATE TEMP TABLE carried ON COMMIT DROP AS
SELECT c.*, home.id AS home, home.unread > 0 AND NOT home.forgotten AND e.key IS NULL AS unsure,
    e.local_minor AS before_local, e.provider_minor AS before_provider
FROM (
    SELECT c.payment_id, 'payment:' || c.payment_id AS key, c.currency, c.local_minor, c.provider_minor, c.finished_at,
        coalesce(f.of_day, least(%(day)s::date, (c.finished_at AT TIME ZONE %(zone)s)::date)) AS of_day
    FROM reconciled_payments c LEFT JOIN findings f ON f.run_id = c.run_id AND f.identity = c.category || ':' ||
        c.payment_id AND c.category <> 'matched'
    WHERE c.run_id = %(run)s
) c LEFT JOIN earlier e ON e.key = c.key AND e.currency = c.currency
LEFT JOIN reconciliations home ON home.provider = %(provider)s AND home.day = c.of_day AND home.day < %(day)s
    AND home.compared_at IS NOT NULL AND c.finished_at IS NOT NULL
WHERE c.of_day < %(day)s OR e.key IS NOT NULL
"""

# That night may have left out the payment, because its account could not be read: then it added nothing. A night at a
# time, so that only its own payments are read. Once they are no longer kept a payment counts as looked at.
_UNSURE = "SELECT DISTINCT home FROM carried WHERE unsure"
_LEFT_OUT = """
UPDATE carried c SET home = NULL WHERE c.unsure AND c.home = %(home)s
    AND c.payment_id NOT IN (SELECT h.payment_id FROM reconciled_payments h
        JOIN carried k ON k.payment_id = h.payment_id WHERE h.run_id = %(home)s)
"""

# A payment that simply agreed left no finding: it added on its own day what it adds here, if that night looked at it.
_PAYMENTS = """
INSERT INTO carried_entries
SELECT %(run)s, key, currency, of_day,
    coalesce(before_local, CASE WHEN home IS NOT NULL THEN local_minor END, 0),
    coalesce(before_provider, CASE WHEN home IS NOT NULL THEN local_minor END, 0), local_minor, provider_minor
FROM carried
"""

_OTHERS = f"""
INSERT INTO carried_entries
SELECT %(run)s, k.key, k.currency, k.of_day, coalesce(e.local_minor, 0), coalesce(e.provider_minor, 0), k.local_minor,
    k.provider_minor
FROM (
    SELECT {KEY} AS key, f.currency, min(f.of_day) AS of_day, sum(f.local_minor) AS local_minor,
        sum(f.provider_minor) AS provider_minor
    FROM findings f WHERE f.run_id = %(run)s GROUP BY 1, 2
) k LEFT JOIN earlier e ON e.key = k.key AND e.currency = k.currency
WHERE k.key NOT LIKE 'payment:%%' AND (k.of_day < %(day)s OR e.key IS NOT NULL)
"""

_DAY_SUMS = f"""
INSERT INTO day_sums
SELECT %(run)s, coalesce(p.source, ''), coalesce(p.target ->> %(service)s, ''), t.currency, count(*),
    count(*) FILTER (WHERE t.category <> 'matched'), sum(t.local_minor), sum(t.provider_minor)
FROM (
    SELECT c.payment_id, c.category, c.currency, c.local_minor, c.provider_minor FROM reconciled_payments c
    WHERE c.run_id = %(run)s AND c.category = 'matched' AND {_OWN}
    UNION ALL
    SELECT f.payment_id, f.category, f.currency, f.local_minor, f.provider_minor FROM findings f
    WHERE f.run_id = %(run)s AND f.of_day = %(day)s
) t LEFT JOIN {every("payments")} p ON p.id = t.payment_id GROUP BY 2, 3, 4
"""


def divide(connection: Connection, run: Reconciliation, zone: str, service: str | None) -> None:
    """Give each finding of the run its day, keep what it adds to earlier days, sum up its own by source and service.

    In the comparison's transaction, after everything was found. zone: of the provider's days. service: the name of a
    target's field that tells the biller's service.
    """
    values = given(run) | {"zone": zone, "service": service}
    for table in ("carried_entries", "day_sums"):
        connection.execute(f"DELETE FROM {table} WHERE run_id = %s".encode(), (run.id,))
    connection.execute(_EARLIER, values)
    connection.execute("ANALYZE earlier")
    connection.execute(_OF_DAY, values)
    connection.execute(_CARRIED, values)
    for row in connection.execute(_UNSURE).fetchall():
        connection.execute(_LEFT_OUT, {"home": row["home"]})
    for statement in (_PAYMENTS, _OTHERS, _DAY_SUMS):
        connection.execute(statement, values)
