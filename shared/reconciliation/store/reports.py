"""What a run's report shows, read from what the run left behind. Only `keep_hours` changes anything.

Of the living list only what the run kept of it is read (`told_discrepancies`), never the list as it is now.

Read in one transaction (`snapshot`), so that all parts of a report tell of the same moment. What is large is streamed
(`copies`); of what is shown on a page only so many rows are read. A payment that was not final when it was compared is
shown as it was then (`reconciled_payments`), whatever became of it since: a report that is written again says the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from shared.archive.twins import every
from shared.database import bulk
from shared.database.engine import Connection, Database
from shared.database.rows import whole
from shared.database.statements import statements
from shared.domain.discrepancies import Reconciliation

_SQL = statements(__file__)


# What is not known adds nothing to a sum: its own amount is what is in question. Money that may be that of a payment
# without an outcome is in question there, once.
_AT_STAKE = """CASE WHEN {0}.category = 'still_unknown'
    THEN abs(coalesce(({0}.evidence #>> '{{payment,amount_minor}}')::numeric, 0))
    WHEN {0}.category = 'paid_elsewhere' AND EXISTS (SELECT FROM jsonb_array_elements({0}.evidence -> 'payments') x
        WHERE x ->> 'state' NOT IN ('succeeded', 'refused', 'cancelled')) THEN 0
    ELSE abs(coalesce({0}.local_minor, 0) - coalesce({0}.provider_minor, 0)) END"""
# Somebody has to do something, though most of the category resolve themselves: as `words.weight` has it.
_URGENT = """({0}.category = 'still_unknown' AND {0}.evidence #>> '{{payment,state}}' = 'parked'
    OR {0}.category = 'paid_elsewhere' AND {0}.evidence ? 'payments')"""
STATE = "f.evidence #>> '{payment,state}'"  # of the payment, as it was then
TOLD = "LEFT JOIN told_discrepancies t ON t.run_id = %(run)s AND t.identity = f.identity"
_PAYMENT = """p.source || '/' || p.intent_id AS payment, p.operation, p.amount_minor, p.currency AS own_currency,
    p.sent_reference"""

# What is open first, and of that the largest: who reads only the first lines of a table reads those that matter most.
_FINDINGS = f"""
WITH f AS (
    SELECT f.*, t.number, t.first_day, t.fresh, t.resolved_by, t.resolved_reason, t.continues_as, t.owner, t.due,
        t.closing_code, t.notes, row_number() OVER (
        PARTITION BY f.category ORDER BY NOT coalesce(t.open, true), {_AT_STAKE.format("f")} DESC,
            abs(f.local_minor) DESC, f.identity COLLATE "C") AS place
    FROM findings f {TOLD} WHERE f.run_id = %(run)s AND coalesce(f.of_day, %(day)s) = %(day)s
)
SELECT f.number, f.identity, f.category, f.currency, f.local_minor, f.provider_minor, f.account, f.evidence, {_PAYMENT},
    {STATE} AS state, f.first_day, f.fresh, f.resolved_by, f.resolved_reason, f.continues_as, f.owner, f.due,
    f.closing_code, f.notes
FROM f LEFT JOIN {every("payments")} p ON p.id = f.payment_id
WHERE %(limit)s::bigint IS NULL OR f.place <= %(limit)s ORDER BY f.category, f.place
"""

# What is not of the run's own day: what is open first, the oldest of it first. What was closed before the night before
# is no news, though it is found.
NOT_OWN = """FROM told_discrepancies t LEFT JOIN findings f ON f.run_id = t.run_id AND f.identity = t.identity
    WHERE t.run_id = %(run)s AND (t.open OR t.closed) AND (f.identity IS NULL OR f.of_day < %(day)s)"""
_CARRIED = f"""
SELECT t.number, t.identity, t.category, t.currency, coalesce(t.local_minor, 0) AS local_minor,
    coalesce(t.provider_minor, 0) AS provider_minor, t.account, coalesce(t.evidence, t.found_evidence) AS evidence,
    {_PAYMENT}, t.state, t.first_day, t.fresh, t.resolved_by, t.resolved_reason, t.continues_as, t.owner, t.due,
    t.closing_code, t.notes
FROM (SELECT t.*, f.evidence AS found_evidence {NOT_OWN}
    ORDER BY t.open DESC, t.first_day, t.number LIMIT %(limit)s) t
LEFT JOIN {every("payments")} p ON p.id = t.payment_id ORDER BY t.open DESC, t.first_day, t.number
"""

_PAYMENTS = f"""
SELECT least(%(day)s::date, (coalesce(c.finished_at, p.created_at) AT TIME ZONE %(zone)s)::date) AS day, p.source,
    p.intent_id, p.operation, p.amount_minor, p.currency, c.state, c.category, c.local_minor, c.provider_minor,
    c.account, p.sent_reference, p.paid_at, p.created_at, c.finished_at
FROM reconciled_payments c JOIN {every("payments")} p ON p.id = c.payment_id
WHERE c.run_id = %(run)s ORDER BY c.payment_id
"""

_AGES = f"""
SELECT greatest(%(day)s - d.first_day, 0) AS days, d.category, d.currency, {_URGENT.format("d")} IS TRUE AS urgent,
    count(*) AS count,
    sum({_AT_STAKE.format("d")}) AS minor
FROM (SELECT t.first_day, t.category, t.currency, t.local_minor, t.provider_minor,
        coalesce(t.evidence, f.evidence) AS evidence
    FROM told_discrepancies t LEFT JOIN findings f ON f.run_id = t.run_id AND f.identity = t.identity
    WHERE t.run_id = %(run)s AND t.open) d
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""

_STAKES = f"""
SELECT f.category, f.currency, count(*) FILTER (WHERE NOT coalesce(t.open, true)) AS settled,
    count(*) FILTER (WHERE coalesce(t.open, true) AND {_URGENT.format("f")}) AS urgent,
    coalesce(sum({_AT_STAKE.format("f")}) FILTER (WHERE coalesce(t.open, true)), 0) AS minor
FROM findings f {TOLD} WHERE f.run_id = %(run)s AND coalesce(f.of_day, %(day)s) = %(day)s GROUP BY 1, 2 ORDER BY 1, 2
"""

# By the hour of their end; those without one by the hour they came in. What is outside of the period is hour -1.
_KEEP_HOURS = f"""
UPDATE reconciliations SET hours = (SELECT coalesce(jsonb_agg(to_jsonb(k) ORDER BY k.hour, k.state), '[]') FROM (
SELECT CASE WHEN at >= %(from)s AND at < %(to)s THEN floor(date_part('epoch', at - %(from)s) / 3600)::integer
    ELSE -1 END AS hour, state, count(*) AS count
FROM (
    SELECT c.state, c.finished_at AS at FROM reconciled_payments c
    WHERE c.run_id = %(run)s AND c.finished_at IS NOT NULL
    UNION ALL
    SELECT c.state, p.created_at FROM reconciled_payments c JOIN {every("payments")} p ON p.id = c.payment_id
    WHERE c.run_id = %(run)s AND c.finished_at IS NULL
) AS seen GROUP BY 1, 2) k) WHERE id = %(run)s
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One row of a table of findings. payment: source/intent_id, where it is about one of ours; amount_minor,
    own_currency: what was to be paid.

    number: of the discrepancy, once it is on the list. fresh: nobody has seen it before this run. first_day: the day in
    the provider's zone that it arose on. continues_as: the number of the discrepancy that it is now. owner: who is in
    charge of it, until due. notes: what people had said about it (at, by, deed, text), the oldest first.
    """

    number: int | None
    identity: str
    category: str
    currency: str | None
    local_minor: int
    provider_minor: int
    account: str | None
    evidence: Mapping[str, Any]
    payment: str | None
    operation: str | None
    amount_minor: int | None
    own_currency: str | None
    sent_reference: str | None
    state: str | None
    first_day: date | None
    fresh: bool | None
    resolved_by: str | None
    resolved_reason: str | None
    continues_as: int | None
    owner: str | None = None
    due: date | None = None
    closing_code: str | None = None
    notes: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Age:
    """Open discrepancies of one category and currency that arose so many days before the run's day."""

    days: int
    category: str
    currency: str | None
    urgent: bool
    count: int
    minor: int


@dataclass(frozen=True, slots=True)
class Stake:
    """The findings of the run's own day, of one category and currency. settled: those that are closed; urgent: those
    that are open and need action, though most of the category resolve themselves. minor: in question, of what is open.
    """

    category: str
    currency: str
    settled: int
    urgent: int
    minor: int


@dataclass(frozen=True, slots=True)
class Hour:
    """Payments of one state. hour: since the start of the period; -1: before it."""

    hour: int
    state: str
    count: int


@dataclass(frozen=True, slots=True)
class Change:
    """What a run changed about the sums of earlier days, in one currency. count: of how many entries."""

    currency: str
    count: int
    local_minor: int
    provider_minor: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run keeps of itself. carried_at: when it carried the list on; None: not yet, since it was compared.

    payments: are the payments that it compared still kept?
    """

    hours: Sequence[Hour]
    changes: Sequence[Change]
    carried_at: datetime | None
    payments: bool


@contextmanager
def snapshot(database: Database) -> Iterator[Connection]:
    """One moment of the database, read only, with time for large results."""
    with database.transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        bulk.prepare(connection)
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = '10min'")  # files are written meanwhile
        yield connection


def findings(connection: Connection, run: Reconciliation, limit: int | None = None) -> Iterator[Shown]:
    """Of the run's own day, by category, the first `limit` of each: what is open, then what is closed, the largest
    difference first. In constant memory."""
    return _shown(connection, _FINDINGS, run, limit)


def carried(connection: Connection, run: Reconciliation, limit: int | None = None) -> Iterator[Shown]:
    """What was open of earlier days, the oldest first, then what of that was closed since the night before. As
    `findings`."""
    return _shown(connection, _CARRIED, run, limit)


def payments(connection: Connection, run: Reconciliation, zone: str) -> Iterator[tuple[Any, ...]]:
    """Every payment that the run looked at, as `copies.payments` has them: day, source, intent, operation, amount,
    currency, state, category, ours, theirs (minor units), account, reference, when it was paid, came and ended."""
    with connection.cursor(name="payments") as cursor:
        cursor.itersize = 1000
        cursor.execute(_PAYMENTS, {"run": run.id, "day": run.day, "zone": zone})
        for row in cursor:
            yield tuple(row.values())


def more_than(connection: Connection, run_id: int, most: int) -> bool:
    """Did the run look at more payments than this? Counts no further."""
    row = connection.execute(_SQL["some"], {"run": run_id, "most": most + 1}).fetchone()
    return bool(row and row["n"] > most)


def _shown(connection: Connection, statement: str, run: Reconciliation, limit: int | None) -> Iterator[Shown]:
    with connection.transaction(), connection.cursor(name="shown") as cursor:
        cursor.itersize = 1000
        cursor.execute(statement, {"run": run.id, "day": run.day, "limit": limit})
        for row in cursor:
            yield Shown(**whole(row))


def ages(connection: Connection, run: Reconciliation) -> list[Age]:
    """All discrepancies of the provider that the run left open, by age in days, category and currency."""
    given = {"day": run.day, "run": run.id}
    return [Age(**whole(row)) for row in connection.execute(_AGES, given).fetchall()]


def stakes(connection: Connection, run: Reconciliation) -> list[Stake]:
    """What of the run's own day is closed (by the books' own evidence, or by a person), urgent, and in question."""
    rows = connection.execute(_STAKES, {"run": run.id, "day": run.day}).fetchall()
    return [Stake(**whole(row)) for row in rows]


def kept(connection: Connection, run_id: int) -> Kept:
    """What the run keeps beside its totals."""
    row = connection.execute(_SQL["kept"], (run_id,)).fetchone()
    if row is None:
        raise LookupError(f"there is no run {run_id}")
    return Kept(
        [Hour(**hour) for hour in row["hours"] or ()],
        [Change(**change) for change in row["carried"] or ()],
        carried_at=row["carried_at"],
        payments=row["payments"],
    )


def keep_hours(connection: Connection, run: Reconciliation) -> None:
    """Keep the run's payments by hour and state, in the transaction of its comparison."""
    given = {"run": run.id, "from": run.period_from, "to": run.period_to}
    connection.execute(_KEEP_HOURS, given)


def currencies(connection: Connection, run_id: int) -> list[str]:
    """Of all that the report tells."""
    return [row["currency"] for row in connection.execute(_SQL["currencies"], {"run": run_id}).fetchall()]
