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

# One statement finds out what is new to the list and writes it: late evidence that comes at the same moment is told of
# once, by whoever was first. The rows that are there are locked before they are judged and written.
_KEEP = f"""
WITH before AS MATERIALIZED (
    SELECT d.identity, d.resolved_at, d.resolved_by, d.local_minor, d.provider_minor FROM discrepancies d
    JOIN findings f USING (identity) WHERE f.run_id = %(run)s ORDER BY d.identity FOR UPDATE OF d
), found AS MATERIALIZED (
    SELECT f.*, b.identity IS NULL AS unheard FROM findings f LEFT JOIN before b USING (identity)
    WHERE f.run_id = %(run)s
), kept AS (
    INSERT INTO discrepancies AS d (category, provider, payment_id, identity, evidence, first_seen, last_seen,
        currency, local_minor, provider_minor, account, run_id, first_day, alerted)
    SELECT category, %(provider)s, payment_id, identity, evidence, %(seen)s, %(seen)s, currency, local_minor,
        provider_minor, account, run_id, coalesce(of_day, %(day)s), false
    FROM found ORDER BY identity
    ON CONFLICT (identity) DO UPDATE SET evidence = excluded.evidence, currency = excluded.currency,
        local_minor = excluded.local_minor, provider_minor = excluded.provider_minor, account = excluded.account,
        last_seen = greatest(d.last_seen, excluded.last_seen),
        run_id = CASE WHEN {_AGAIN} THEN excluded.run_id ELSE coalesce(d.run_id, excluded.run_id) END,
        first_day = CASE WHEN {_AGAIN} THEN excluded.first_day ELSE least(d.first_day, excluded.first_day) END,
        alerted = CASE WHEN {_AGAIN} THEN false ELSE d.alerted END,
        continues_as = CASE WHEN {_AGAIN} THEN NULL ELSE d.continues_as END,
        resolved_at = CASE WHEN {_AGAIN} THEN NULL ELSE d.resolved_at END,
        resolved_by = CASE WHEN {_AGAIN} THEN NULL ELSE d.resolved_by END,
        resolved_reason = CASE WHEN {_AGAIN} THEN NULL ELSE d.resolved_reason END,
        closing_code = CASE WHEN {_AGAIN} THEN NULL ELSE d.closing_code END
    WHERE d.last_seen <= excluded.last_seen OR d.run_id IS NULL
    RETURNING d.identity, xmax = 0 AS inserted
)
SELECT DISTINCT excluded.payment_id FROM found excluded JOIN kept k USING (identity) LEFT JOIN before d USING (identity)
WHERE excluded.category IN ('paid_there_failed_here', 'duplicate_at_provider') AND (k.inserted OR {_AGAIN}) ORDER BY 1
"""

# Looked at: the payment was compared, or everything under the account was read. A line that was missing here is not
# when its payment has come since (out of a backup, say). A line that was found before may be a row that can't be read
# now: where there are such rows none is closed for not being found again. What arose after the run's day is not its
# business. `seen` is also when this run closed what it closes once more, where it is compared again.
_GONE = f"""
CREATE TEMP TABLE gone ON COMMIT DROP AS
WITH candidates AS MATERIALIZED (
    SELECT d.id, d.identity, d.payment_id, d.account, d.category, d.currency, d.local_minor, d.provider_minor,
        d.first_day, d.evidence ? 'invoice' AS by_total, d.evidence #>> '{{line,marker}}' AS marker,
        d.identity = d.category || ':' || d.payment_id AND d.category <> 'duplicate_at_provider' AS of_payment,
        EXISTS (SELECT FROM provider_accounts a
            WHERE a.run_id = %(run)s AND a.account = d.account AND a.unreadable > 0) AS hidden
    FROM discrepancies d
    WHERE d.provider = %(provider)s AND d.last_seen <= %(seen)s AND coalesce(d.first_day <= %(day)s, true)
        AND (d.resolved_at IS NULL OR d.resolved_by = '{BOOKS}' AND d.resolved_at = %(seen)s)
        AND NOT EXISTS (SELECT FROM findings f WHERE f.run_id = %(run)s AND f.identity = d.identity)
), looked_at AS (
    SELECT g.id FROM candidates g JOIN reconciled_payments c ON c.run_id = %(run)s AND c.payment_id = g.payment_id
        WHERE NOT (g.hidden AND g.category = 'duplicate_at_provider')
    UNION SELECT g.id FROM candidates g JOIN provider_accounts a ON a.run_id = %(run)s AND a.account = g.account
        WHERE g.payment_id IS NULL AND NOT g.hidden
    UNION SELECT g.id FROM candidates g JOIN {every("payments")} p ON p.sent_reference = g.marker
        WHERE g.category = 'missing_locally' AND p.provider = %(provider)s
)
SELECT g.*, c.state, EXISTS (SELECT FROM {every("payments")} p WHERE p.sent_reference = g.marker
    AND p.provider = %(provider)s) AS came, (
        SELECT n.id FROM findings f JOIN discrepancies n USING (identity)
        WHERE f.run_id = %(run)s AND CASE
            WHEN g.by_total AND f.evidence ? 'invoice' AND f.account = g.account THEN true
            WHEN g.payment_id IS NULL THEN f.payment_id = (SELECT p.id FROM {every("payments")} p
                WHERE p.sent_reference = g.marker AND p.provider = %(provider)s)
            ELSE f.payment_id = g.payment_id AND g.of_payment = (f.identity = f.category || ':' || f.payment_id
                AND f.category <> 'duplicate_at_provider') END
        ORDER BY n.id LIMIT 1) AS continues_as
FROM candidates g JOIN looked_at USING (id) LEFT JOIN reconciled_payments c
    ON c.run_id = %(run)s AND c.payment_id = g.payment_id
"""

NOTES_KEPT = 20  # of a discrepancy, the newest: told by a night, and listed
NOTES = f"""(SELECT jsonb_agg(n ORDER BY n.id) FROM (
    SELECT n.id, utc_text(n.at) AS at, n.by_whom AS by, n.deed, n.text, n.owner, n.due, n.code
    FROM discrepancy_notes n WHERE n.number = d.id ORDER BY n.id DESC LIMIT {NOTES_KEPT}) n)"""

# Why it is closed, by what is so: never that something agrees which is only another finding now.
_CLOSE = f"""
UPDATE discrepancies d SET resolved_at = %(seen)s, resolved_by = '{BOOKS}', continues_as = g.continues_as,
    resolved_reason = CASE
        WHEN g.continues_as IS NOT NULL THEN 'continues as ' || n.category || ', number ' || g.continues_as
        WHEN g.category = 'still_unknown' AND g.state IN ('refused', 'cancelled')
            THEN 'it was ' || g.state || ' here, and the books as read for ' || %(day)s || ' don''t contradict'
        WHEN g.payment_id IS NOT NULL AND NOT g.of_payment
            THEN 'the books as read for ' || %(day)s || ' no longer show the further entry'
        WHEN g.payment_id IS NOT NULL THEN 'the books as read for ' || %(day)s || ' agree'
        WHEN g.came THEN 'the payment with this reference is here now'
        WHEN g.by_total THEN 'the total as read for ' || %(day)s || ' agrees'
        ELSE 'the books as read for ' || %(day)s || ' no longer show this entry' END
FROM gone g LEFT JOIN discrepancies n ON n.id = g.continues_as WHERE d.id = g.id
"""

# Entries of the provider's books that are no longer there add nothing any more. (A payment's own were compared.)
_TAKEN_BACK = """
INSERT INTO carried_entries
SELECT %(run)s, k.key, k.currency, coalesce(k.first_day, %(day)s), k.local_minor, k.provider_minor, 0, 0
FROM (SELECT *, CASE WHEN payment_id IS NULL AND by_total THEN 'invoice:' || account ELSE identity END AS key
    FROM gone WHERE of_payment IS NOT TRUE AND local_minor IS NOT NULL) k
ON CONFLICT DO NOTHING
"""

_CLOSE_SETTLED = f"""
UPDATE discrepancies SET resolved_at = %(seen)s, resolved_by = '{BOOKS}', resolved_reason = %(settled_reason)s
WHERE identity = ANY(%(settled)s) AND resolved_at IS NULL
"""

# What the run's report tells of the list, whatever becomes of it: what is open, and what was closed since the night
# before, or is among this night's findings. One that a person opened again, and that was told of as closed, is new to
# the list. What arose after the run's day is not in it. A closing is known by its
# moment: the first night that tells of it counts it, and of what was closed while a release before this one compared,
# which kept nothing of what it told, none does.
_TELL = f"""
INSERT INTO told_discrepancies (run_id, number, identity, category, open, fresh, found, first_day, payment_id, state,
    account, currency, local_minor, provider_minor, evidence, resolved_by, resolved_reason, continues_as, resolved_at,
    closed, owner, due, closing_code, notes)
WITH open_before AS (
    SELECT t.number FROM told_discrepancies t WHERE t.open AND t.run_id = (
        SELECT r.id FROM reconciliations r WHERE r.provider = %(provider)s AND r.day < %(day)s
            AND r.carried_at IS NOT NULL ORDER BY r.day DESC LIMIT 1)
)
SELECT %(run)s, d.id, d.identity, d.category, d.resolved_at IS NULL, d.resolved_at IS NULL AND (d.run_id = %(run)s
        OR b.number IS NULL AND EXISTS (SELECT FROM told_discrepancies t JOIN reconciliations r ON r.id = t.run_id
            WHERE t.number = d.id AND NOT t.open AND r.day < %(day)s)),
    f.identity IS NOT NULL, coalesce(d.first_day, (d.first_seen AT TIME ZONE %(zone)s)::date), d.payment_id,
    coalesce(f.evidence #>> '{{payment,state}}', p.state), d.account, coalesce(f.currency, d.currency),
    coalesce(f.local_minor, d.local_minor), coalesce(f.provider_minor, d.provider_minor),
    CASE WHEN f.identity IS NULL THEN d.evidence END, d.resolved_by, d.resolved_reason, d.continues_as,
    d.resolved_at, d.resolved_at IS NOT NULL AND (b.number IS NOT NULL OR NOT EXISTS (
        SELECT FROM told_discrepancies t JOIN reconciliations r ON r.id = t.run_id
        WHERE t.number = d.id AND NOT t.open AND t.resolved_at = d.resolved_at AND r.day < %(day)s
    ) AND NOT EXISTS (
        SELECT FROM reconciliations r WHERE r.provider = %(provider)s AND r.day < %(day)s AND NOT r.divided
            AND r.finished_at >= d.resolved_at)), d.owner, d.due, d.closing_code, {NOTES}
FROM discrepancies d LEFT JOIN findings f ON f.run_id = %(run)s AND f.identity = d.identity
LEFT JOIN open_before b ON b.number = d.id
LEFT JOIN {every("payments")} p ON p.id = d.payment_id
WHERE d.provider = %(provider)s AND coalesce(d.first_day, (d.first_seen AT TIME ZONE %(zone)s)::date) <= %(day)s
    AND (d.resolved_at IS NULL OR f.identity IS NOT NULL OR b.number IS NOT NULL
        OR d.resolved_by = '{BOOKS}' AND d.resolved_at = %(seen)s)
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


def carry_on(connection: Connection, run: Reconciliation, zone: str) -> bool:
    """Open, keep and close by what the run found, and keep what its report tells of the list. One transaction of the
    caller's. Payments that ended otherwise than the books say are told of as disputed, once.

    False, and nothing done, when this comparison was carried on before. zone: of the provider's days.
    """
    given: dict[str, object] = {
        "run": run.id,
        "provider": run.provider,
        "day": run.day,
        "zone": zone,
        "seen": run.fetched_at,
        "settled_reason": f"the books of {run.day} show it as applied, so it succeeded",
    }
    if connection.execute(_SQL["carried"], given).rowcount == 0:
        return False
    given["settled"] = [row["identity"] for row in connection.execute(_SQL["settled"], given).fetchall()]
    disputed = [row["payment_id"] for row in connection.execute(_KEEP, given).fetchall()]
    for statement in (_CLOSE_SETTLED, _GONE, _CLOSE, _TAKEN_BACK, _SQL["changes"]):
        connection.execute(statement, given)
    tell(connection, run, zone)
    recall(connection, disputed)
    outbox.disputed(connection, disputed)
    return True


def tell(connection: Connection, run: Reconciliation, zone: str) -> None:
    """Keep what the run's report tells of the list, in place of what it told before."""
    given = {"run": run.id, "provider": run.provider, "day": run.day, "zone": zone, "seen": run.fetched_at}
    connection.execute(_SQL["forget_told"], given)
    connection.execute(_TELL, given)


def fresh(connection: Connection, run_id: int) -> int:
    """How many discrepancies this run was the first to find that it left open."""
    row = connection.execute(_SQL["fresh"], {"run": run_id}).fetchone()
    return int(row["fresh"]) if row else 0


def unalerted(connection: Connection, run_id: int) -> int:
    """How many that this run opened are open, and people were not alerted to."""
    row = connection.execute(_SQL["unalerted"], {"run": run_id}).fetchone()
    return int(row["unalerted"]) if row else 0


def alerted(connection: Connection, run_id: int) -> None:
    """People were alerted to what this run opened."""
    connection.execute(_SQL["alerted"], {"run": run_id})


def close(connection: Connection, number: int, reason: str, by: str, code: str, *, shown: str | None) -> bool:
    """A person explains it; False when it was closed before, or there is none. shown: its `figures` as they saw them;
    False where they are others now, too."""
    given = {"number": number, "by": by, "reason": reason, "code": code}
    if shown is not None:
        row = connection.execute(_SQL["figures"], given).fetchone()
        if row is None or figures(row) != shown:
            return False
    return connection.execute(_SQL["close"], given).rowcount > 0


def figures(row: Mapping[str, Any]) -> str:
    """By which it is said of an entry of the list what its books and ours came to."""
    return "~".join("" if row[name] is None else str(row[name]) for name in ("local_minor", "provider_minor"))


def reopen(connection: Connection, number: int, reason: str, by: str) -> bool:
    """A person opens it again; False when it is open, continues as another one, or there is none."""
    return connection.execute(_SQL["reopen"], {"number": number, "by": by, "reason": reason}).rowcount > 0


def assign(connection: Connection, number: int, **given: object) -> bool:
    """Somebody (owner) is in charge of it, until due; by, reason: who says so. False when it is closed, or there is
    none."""
    given["number"] = number
    return connection.execute(_SQL["assign"], given).rowcount > 0


def comment(connection: Connection, number: int, text: str, by: str) -> bool:
    """Somebody says something about it, open or closed; False when there is none."""
    return connection.execute(_SQL["comment"], {"number": number, "text": text, "by": by}).rowcount > 0
