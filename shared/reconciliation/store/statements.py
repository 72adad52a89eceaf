"""What the nights of a period left behind, summed up in SQL. Reads only.

Nothing but what each night kept is read: its totals, what it changed about earlier days, its sums by source and
service, and the list as it left it. So a statement of nights that are done says the same whenever it is written. Nights
of a release whose totals were of all that it looked at are left out (`older`), also where they were told again since:
what they were told of is the list as it was then.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from shared.archive.twins import every
from shared.database.engine import Connection
from shared.database.rows import whole
from shared.database.statements import statements

_SQL = statements(__file__)

_STAKE = """CASE s.category WHEN 'still_unknown'
    THEN abs(coalesce((coalesce(s.evidence, f.evidence) #>> '{payment,amount_minor}')::numeric, 0))
    ELSE abs(coalesce(s.local_minor, 0) - coalesce(s.provider_minor, 0)) END"""

# What is found every night though a person closed it is not listed but where it was open, or was closed. Where no
# night before the period told what was open, it is what arose before.
_LISTED = f"""
WITH nights AS (
    SELECT id, day FROM reconciliations WHERE provider = %(provider)s AND carried_at IS NOT NULL AND divided
        AND day >= %(from)s AND day < %(to)s
), last AS (
    SELECT id FROM reconciliations WHERE provider = %(provider)s AND carried_at IS NOT NULL AND divided
        AND day < %(from)s ORDER BY day DESC LIMIT 1
), opening AS (
    SELECT t.* FROM told_discrepancies t JOIN last ON last.id = t.run_id WHERE t.open
), seen AS (
    SELECT DISTINCT ON (number) *, min(first_day) OVER (PARTITION BY number) AS arose FROM (
        SELECT t.*, n.day FROM told_discrepancies t JOIN nights n ON n.id = t.run_id
        UNION ALL SELECT o.*, NULL FROM opening o
    ) s WHERE s.open OR s.closed ORDER BY number, day DESC NULLS LAST
)
SELECT s.number, s.category, s.currency, coalesce(s.local_minor, 0) AS local_minor,
    coalesce(s.provider_minor, 0) AS provider_minor, {_STAKE} AS stake_minor, s.account, s.first_day,
    o.number IS NOT NULL OR s.arose < %(from)s AND NOT EXISTS (SELECT FROM last) AS before, s.open,
    p.source || '/' || p.intent_id AS payment, s.state, s.resolved_by, s.resolved_reason, s.continues_as,
    CASE WHEN NOT s.open THEN s.day END AS closed_on, s.owner, s.due, s.closing_code,
    NOT s.open AND EXISTS (SELECT FROM day_signatures g WHERE g.provider = %(provider)s AND g.day = s.first_day
        AND g.role = 'reviewed' AND g.at < s.resolved_at) AS after_review
FROM seen s LEFT JOIN opening o USING (number)
LEFT JOIN findings f ON f.run_id = s.run_id AND f.identity = s.identity
LEFT JOIN {every("payments")} p ON p.id = s.payment_id
"""

_MOVES = f"""
SELECT i.currency, count(*) FILTER (WHERE before) AS opening, count(*) FILTER (WHERE NOT before) AS fresh,
    count(*) FILTER (WHERE NOT open) AS closed, count(*) FILTER (WHERE open) AS open,
    coalesce(sum(stake_minor) FILTER (WHERE before), 0) AS opening_minor,
    coalesce(sum(stake_minor) FILTER (WHERE NOT before), 0) AS fresh_minor,
    coalesce(sum(stake_minor) FILTER (WHERE NOT open), 0) AS closed_minor,
    coalesce(sum(stake_minor) FILTER (WHERE open), 0) AS open_minor
FROM ({_LISTED}) i GROUP BY i.currency ORDER BY i.currency
"""
_AGES = f"""
SELECT CASE WHEN days < 1 THEN 0 WHEN days < 2 THEN 1 WHEN days < 7 THEN 2 WHEN days < 30 THEN 7 ELSE 30 END AS least,
    currency, count(*) AS count, sum(stake_minor) AS minor
FROM (SELECT i.*, (%(to)s::date - 1) - i.first_day AS days FROM ({_LISTED}) i WHERE open) a
GROUP BY 1, 2 ORDER BY 1, 2
"""
_PAYMENTS = f"""
SELECT r.day, p.source, p.intent_id, p.operation, p.amount_minor, p.currency, c.state, c.category, c.local_minor,
    c.provider_minor, c.account, p.sent_reference, c.finished_at
FROM reconciled_payments c JOIN {every("payments")} p ON p.id = c.payment_id
JOIN reconciliations r ON r.id = c.run_id
WHERE c.run_id = %(run)s AND c.finished_at >= r.period_from AND c.finished_at < r.period_to ORDER BY c.payment_id
"""


@dataclass(frozen=True, slots=True)
class Item:
    """A discrepancy as the last night of the period told it that counted it. before: it was open when the period began.

    stake_minor: the money in question. closed_on: the night that counted it as closed. owner: who is in charge of it,
    until due. after_review: it was closed after its first day had been reviewed.
    """

    number: int
    category: str
    currency: str | None
    local_minor: int
    provider_minor: int
    stake_minor: int
    account: str | None
    first_day: date
    before: bool
    open: bool
    payment: str | None
    state: str | None
    resolved_by: str | None
    resolved_reason: str | None
    continues_as: int | None
    closed_on: date | None
    owner: str | None = None
    due: date | None = None
    closing_code: str | None = None
    after_review: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """What was open before the period, came, was closed and is open, in one currency: how many, and what is in
    question."""

    currency: str | None
    opening: int
    fresh: int
    closed: int
    open: int
    opening_minor: int
    fresh_minor: int
    closed_minor: int
    open_minor: int


@dataclass(frozen=True, slots=True)
class Day:
    """One day's own sums in one currency, and what its night changed about earlier days. complete: all books were read.

    fresh, closed, open: discrepancies of the provider, of all currencies.
    """

    day: date
    complete: bool
    currency: str | None
    count: int
    local_minor: int
    provider_minor: int
    earlier_local_minor: int
    earlier_provider_minor: int
    fresh: int
    closed: int
    open: int


@dataclass(frozen=True, slots=True)
class Sum:
    """The days' own sums in one currency, in all or of one source or service (empty: none is told)."""

    name: str
    currency: str
    count: int
    differing: int
    local_minor: int
    provider_minor: int


@dataclass(frozen=True, slots=True)
class Aged:
    """What is open at the period's end, in one currency, that arose so many days before its last day, at least."""

    least: int
    currency: str | None
    count: int
    minor: int


def given(provider: str, first: date, end: date) -> dict[str, Any]:
    """What the statements are given: the provider, its first day, and the day after the last."""
    return {"provider": provider, "from": first, "to": end}


def moves(connection: Connection, period: dict[str, Any]) -> Sequence[Move]:
    """By currency; None is that of late evidence without a sum."""
    return [Move(**whole(row)) for row in connection.execute(_MOVES, period).fetchall()]


def days(connection: Connection, period: dict[str, Any]) -> Sequence[Day]:
    """Each day that was compared, by currency."""
    return [Day(**whole(row)) for row in connection.execute(_SQL["days"], period).fetchall()]


def whole_sums(connection: Connection, period: dict[str, Any]) -> Sequence[Sum]:
    """The days' own sums in all, by currency."""
    return [Sum(**whole(row)) for row in connection.execute(_SQL["whole"], period).fetchall()]


def sums(connection: Connection, period: dict[str, Any], by: str) -> Sequence[Sum]:
    """The same by `source` or by `service`."""
    return [Sum(**whole(row)) for row in connection.execute(_SQL["sums"], period | {"by": by}).fetchall()]


def changes(connection: Connection, period: dict[str, Any]) -> Sequence[Sum]:
    """What the period's nights changed about the sums of earlier days, by currency."""
    return [Sum(**whole(row)) for row in connection.execute(_SQL["changes"], period).fetchall()]


def ages(connection: Connection, period: dict[str, Any]) -> Sequence[Aged]:
    """What is open at the end, by age and currency."""
    return [Aged(**whole(row)) for row in connection.execute(_AGES, period).fetchall()]


def items(connection: Connection, period: dict[str, Any], limit: int | None = None) -> Iterator[Item]:
    """What is open at the end first, the oldest first, in constant memory. One transaction of the caller's."""
    with connection.cursor(name="items") as cursor:
        cursor.itersize = 1000
        statement = f"{_LISTED} ORDER BY s.category, s.open DESC, s.first_day, s.number LIMIT %(limit)s"
        cursor.execute(statement, period | {"limit": limit})
        for row in cursor:
            yield Item(**whole(row))


def payments(connection: Connection, period: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Every payment that ended in the period and is still kept singly, by day, in constant memory: day, source, intent,
    operation, amount, currency, state, category, ours, theirs (minor units), account, reference, when it ended."""
    for run in connection.execute(_SQL["kept_runs"], period).fetchall():
        with connection.cursor(name="payments") as cursor:
            cursor.itersize = 5000
            cursor.execute(_PAYMENTS, {"run": run["id"]})
            for row in cursor:
                yield tuple(row.values())


def older(connection: Connection, period: dict[str, Any]) -> Sequence[date]:
    """Days of the period that are left out, because a release compared them that kept no day apart."""
    return [row["day"] for row in connection.execute(_SQL["older"], period).fetchall()]


def written_at(connection: Connection, period: dict[str, Any]) -> datetime | None:
    """When the last of the period's nights was carried on: what the statement tells is of that moment."""
    row = connection.execute(_SQL["written_at"], period).fetchone()
    return row["at"] if row else None
