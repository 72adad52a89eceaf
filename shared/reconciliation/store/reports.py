"""What a run's report shows, read from what the run left behind. Nothing here changes anything.

Read in one transaction (`snapshot`), so that all parts of a report tell of the same moment. What is large is streamed
with COPY; of what is shown on a page only so many rows are read. A payment that was not final when it was compared is
shown as it was then (`reconciled_payments`), whatever became of it since: a report that is written again says the same.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from shared.archive.twins import every
from shared.database import bulk
from shared.database.engine import Connection, Database
from shared.database.rows import whole
from shared.database.statements import statements
from shared.domain.cells import harmless_sql as _cell
from shared.domain.discrepancies import Reconciliation

_SQL = statements(__file__)


Write = Callable[[bytes], object]

# What is not known adds nothing to a sum: its own amount is what is in question.
_AT_STAKE = """CASE {0}.category WHEN 'still_unknown'
    THEN abs(coalesce(({0}.evidence #>> '{{payment,amount_minor}}')::numeric, 0))
    ELSE abs(coalesce({0}.local_minor, 0) - coalesce({0}.provider_minor, 0)) END"""
_STATE = "f.evidence #>> '{payment,state}'"  # of the payment, as it was then
_DAY = "(d.{} AT TIME ZONE %(zone)s)::date"

_CLOSED = "EXISTS (SELECT FROM discrepancies d WHERE d.identity = f.identity AND d.resolved_at IS NOT NULL)"

# What is open first, and of that the largest: who reads only the first lines of a table reads those that matter most.
_FINDINGS = f"""
WITH f AS (
    SELECT *, row_number() OVER (PARTITION BY category
        ORDER BY {_CLOSED}, {_AT_STAKE.format("f")} DESC, abs(f.local_minor) DESC, f.identity COLLATE "C") AS place
    FROM findings f WHERE run_id = %(run)s
)
SELECT f.identity, f.category, f.currency, f.local_minor, f.provider_minor, f.account, f.evidence,
    p.source || '/' || p.intent_id AS payment, p.operation, p.amount_minor, p.currency AS own_currency,
    {_STATE} AS state, p.sent_reference, {_DAY.format("first_seen")} AS first_seen,
    d.run_id = %(run)s AS fresh, d.resolved_by, d.resolved_reason
FROM f LEFT JOIN {every("payments")} p ON p.id = f.payment_id LEFT JOIN discrepancies d ON d.identity = f.identity
WHERE f.place <= %(limit)s ORDER BY f.category, f.place
"""

_EARLIER = f"""
SELECT d.identity, d.category, d.currency, coalesce(d.local_minor, 0) AS local_minor,
    coalesce(d.provider_minor, 0) AS provider_minor, d.account, d.evidence,
    p.source || '/' || p.intent_id AS payment, p.operation, p.amount_minor, p.currency AS own_currency, p.state,
    p.sent_reference, {_DAY.format("first_seen")} AS first_seen,
    false AS fresh, d.resolved_by, d.resolved_reason
FROM discrepancies d LEFT JOIN {every("payments")} p ON p.id = d.payment_id
WHERE d.provider = %(provider)s AND d.resolved_at IS NULL
    AND NOT EXISTS (SELECT FROM findings f WHERE f.run_id = %(run)s AND f.identity = d.identity)
ORDER BY d.first_seen, d.identity COLLATE "C" LIMIT %(limit)s
"""

_AGES = f"""
SELECT greatest((%(at)s AT TIME ZONE %(zone)s)::date - {_DAY.format("first_seen")}, 0) AS days, d.category,
    d.currency, count(*) AS count, sum({_AT_STAKE.format("d")}) AS minor
FROM discrepancies d WHERE d.provider = %(provider)s AND d.resolved_at IS NULL
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""

_SETTLED = f"SELECT f.category, count(*) AS count FROM findings f WHERE f.run_id = %(run)s AND {_CLOSED} GROUP BY 1"

# By the hour of their end; those without one by the hour they came in. What is outside of the period is hour -1.
_HOURS = f"""
SELECT CASE WHEN at >= %(from)s AND at < %(to)s THEN floor(date_part('epoch', at - %(from)s) / 3600)::integer
    ELSE -1 END AS hour, state, count(*) AS count
FROM (
    SELECT c.state, c.finished_at AS at FROM reconciled_payments c
    WHERE c.run_id = %(run)s AND c.finished_at IS NOT NULL
    UNION ALL
    SELECT c.state, p.created_at FROM reconciled_payments c JOIN {every("payments")} p ON p.id = c.payment_id
    WHERE c.run_id = %(run)s AND c.finished_at IS NULL
) AS seen GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One row of a table of findings. payment: source/intent_id, where it is about one of ours; amount_minor,
    own_currency: what was to be paid.

    fresh: nobody has seen it before this run. first_seen: the day in the provider's zone, once it is on the list.
    """

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
    state: str | None
    sent_reference: str | None
    first_seen: date | None
    fresh: bool | None
    resolved_by: str | None
    resolved_reason: str | None


@dataclass(frozen=True, slots=True)
class Age:
    """Open discrepancies of one category and currency, first seen so many days before the books were read."""

    days: int
    category: str
    currency: str | None
    count: int
    minor: int


@dataclass(frozen=True, slots=True)
class Hour:
    """Payments of one state. hour: since the start of the period; -1: before it."""

    hour: int
    state: str
    count: int


@contextmanager
def snapshot(database: Database) -> Iterator[Connection]:
    """One moment of the database, read only, with time for large results."""
    with database.transaction() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        bulk.prepare(connection)
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = '10min'")  # files are written meanwhile
        yield connection


def findings(connection: Connection, run_id: int, zone: str, limit: int) -> list[Shown]:
    """The first `limit` of each category: what is open, then what is closed, the largest difference first."""
    rows = connection.execute(_FINDINGS, {"run": run_id, "zone": zone, "limit": limit}).fetchall()
    return [Shown(**whole(row)) for row in rows]


def earlier(connection: Connection, run: Reconciliation, zone: str, limit: int) -> list[Shown]:
    """Open discrepancies of the provider that this run did not come across, the oldest first."""
    given = {"run": run.id, "provider": run.provider, "zone": zone, "limit": limit}
    return [Shown(**whole(row)) for row in connection.execute(_EARLIER, given).fetchall()]


def ages(connection: Connection, run: Reconciliation, zone: str) -> list[Age]:
    """All open discrepancies of the provider by age in days, category and currency."""
    given = {"at": run.fetched_at, "provider": run.provider, "zone": zone}
    return [Age(**whole(row)) for row in connection.execute(_AGES, given).fetchall()]


def fresh(connection: Connection, run_id: int) -> int:
    """How many of the run's findings nobody had seen before it, and are open."""
    row = connection.execute(_SQL["fresh"], {"run": run_id}).fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns its row
    return int(row["count"])


def settled(connection: Connection, run_id: int) -> dict[str, int]:
    """How many of the run's findings are closed already, by category: by the books' own evidence, or by a person."""
    rows = connection.execute(_SETTLED, {"run": run_id}).fetchall()
    return {row["category"]: row["count"] for row in rows}


def hours(connection: Connection, run: Reconciliation) -> list[Hour]:
    """The run's payments by hour and state."""
    given = {"run": run.id, "from": run.period_from, "to": run.period_to}
    return [Hour(**row) for row in connection.execute(_HOURS, given).fetchall()]


def copy_payments(connection: Connection, run_id: int, write: Write) -> None:
    """Every payment that the run looked at, as CSV with a heading, in the order of acceptance, in constant memory."""
    connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")  # who reads the rows needs the other processor
    statement = f"""
    SELECT {_cell("p.source")} AS source, {_cell("p.intent_id")} AS intent_id, p.operation,
        {_amount("p.amount_minor", "p.places")} AS amount, p.currency, c.state, c.category AS comparison,
        {_amount("c.local_minor", "p.places")} AS our_books,
        {_amount("c.provider_minor", "p.places")} AS provider_books,
        {_cell("c.account")} AS account, p.sent_reference, p.paid_at::text AS paid_at,
        p.created_at::text AS created_at, c.finished_at::text AS finished_at
    FROM reconciled_payments c JOIN {every("payments")} p ON p.id = c.payment_id
    WHERE c.run_id = %(run)s ORDER BY c.payment_id
    """
    _copy(connection, statement, {"run": run_id}, write)


def copy_findings(
    connection: Connection,
    run_id: int,
    zone: str,
    *,
    places: Mapping[str, int],
    titles: Mapping[str, str],
    write: Write,
) -> None:
    """Every finding of the run as CSV with a heading, by category, in constant memory.

    places: decimal places of each currency that occurs. titles: of each category, in words.
    """
    digits, words = "(%(places)s::jsonb ->> f.currency)::smallint", "%(titles)s::jsonb ->> f.category"
    statement = f"""
    SELECT f.category, {words} AS meaning, {_cell("p.source")} AS source, {_cell("p.intent_id")} AS intent_id,
        {_cell("f.account")} AS account, f.currency, {_amount("f.local_minor", digits)} AS our_books,
        {_amount("f.provider_minor", digits)} AS provider_books,
        {_amount("(f.local_minor - f.provider_minor)", digits)} AS difference,
        p.operation, {_amount("p.amount_minor", "p.places")} AS payment_amount, {_STATE} AS payment_state,
        p.sent_reference,
        {_DAY.format("first_seen")} AS first_seen, {_cell("d.resolved_by")} AS resolved_by,
        {_cell("d.resolved_reason")} AS resolved_reason, {_cell("f.identity")} AS identity,
        {_cell("f.evidence::text")} AS evidence
    FROM findings f LEFT JOIN {every("payments")} p ON p.id = f.payment_id
        LEFT JOIN discrepancies d ON d.identity = f.identity
    WHERE f.run_id = %(run)s ORDER BY f.category, f.identity COLLATE "C"
    """
    given = {"run": run_id, "zone": zone, "places": json.dumps(dict(places)), "titles": json.dumps(dict(titles))}
    _copy(connection, statement, given, write)


def _amount(minor: str, digits: str) -> str:
    """Minor units as a plain decimal with all the currency's places."""
    cases = " ".join(f"WHEN {n} THEN {minor} * 0.{'1'.rjust(n, '0')}" for n in range(1, 5))
    return f"CASE {digits} {cases} ELSE {minor}::numeric END"


def _copy(connection: Connection, statement: str, given: Mapping[str, object], write: Write) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT csv, HEADER)", given) as rows,
    ):
        for block in rows:
            write(bytes(block))
