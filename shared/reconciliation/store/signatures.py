"""Who signed a day, and what changed about it after it was reviewed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from shared.database.engine import Connection
from shared.database.rows import whole
from shared.database.statements import statements
from shared.domain.discrepancies import Signed

_SQL = statements(__file__)

# What days came to, by the night that said so: its own sums, and what later nights changed about them. A payment that
# moved to the later night's own day is taken back from the day on which it stood before.
_STANDING = """
SELECT r.day, r.day AS night, t.currency, sum(t.local_minor) AS local_minor, sum(t.provider_minor) AS provider_minor
FROM reconciliations r, jsonb_to_recordset(r.totals) AS t(currency text, local_minor numeric, provider_minor numeric)
WHERE r.provider = %(provider)s AND r.carried_at IS NOT NULL AND r.divided AND r.day >= %(from)s AND r.day < %(to)s
GROUP BY r.day, t.currency
UNION ALL
SELECT c.day, c.night, c.currency, sum(c.local_minor), sum(c.provider_minor) FROM (
    SELECT CASE WHEN c.of_day < r.day THEN c.of_day ELSE b.day END AS day, r.day AS night, c.currency,
        CASE WHEN c.of_day < r.day THEN c.local_minor ELSE 0 END - c.before_local AS local_minor,
        CASE WHEN c.of_day < r.day THEN c.provider_minor ELSE 0 END - c.before_provider AS provider_minor
    FROM carried_entries c JOIN reconciliations r ON r.id = c.run_id
    LEFT JOIN LATERAL (
        SELECT coalesce(f.of_day, n.day) AS day FROM findings f JOIN reconciliations n ON n.id = f.run_id
        WHERE c.of_day = r.day AND n.day < r.day
            AND f.payment_id = CASE WHEN c.key LIKE 'payment:%%' THEN substr(c.key, 9)::bigint END
        ORDER BY n.day DESC LIMIT 1) b ON true
    WHERE r.provider = %(provider)s AND r.carried_at IS NOT NULL AND r.divided AND r.day >= %(from)s AND r.day < %(to)s
) c WHERE c.day IS NOT NULL AND (c.local_minor, c.provider_minor) <> (0, 0) GROUP BY c.day, c.night, c.currency
"""
_SEEN = f"""
SELECT coalesce(jsonb_agg(to_jsonb(s) - 'day'), '[]') AS seen FROM ({_STANDING}) s WHERE s.day = %(day)s
"""
# What is told by nights of the period and is not what the reviewer saw.
_CORRECTIONS = f"""
WITH reviewed AS (
    SELECT day, by_whom, at, seen FROM day_signatures
    WHERE provider = %(provider)s AND role = 'reviewed' AND day < %(to)s
), seen AS (
    SELECT g.day, s.night, s.currency, s.local_minor, s.provider_minor
    FROM reviewed g, jsonb_to_recordset(g.seen) AS s(night date, currency text, local_minor numeric,
        provider_minor numeric)
    WHERE s.night >= %(from)s AND s.night < %(to)s
), now AS (
    SELECT n.* FROM ({_STANDING}) n JOIN reviewed g USING (day)
)
SELECT day, g.by_whom AS reviewed_by, night, currency,
    coalesce(n.local_minor, 0) - coalesce(s.local_minor, 0) AS local_minor,
    coalesce(n.provider_minor, 0) - coalesce(s.provider_minor, 0) AS provider_minor
FROM now n FULL JOIN seen s USING (day, night, currency) JOIN reviewed g USING (day)
WHERE (coalesce(n.local_minor, 0), coalesce(n.provider_minor, 0))
    <> (coalesce(s.local_minor, 0), coalesce(s.provider_minor, 0))
ORDER BY day, night, currency
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A day's run. over: its day was, when it was begun. compared: it is told of, its sums of its own day apart."""

    day: date
    over: bool
    compared: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """Somebody's under a day."""

    role: str
    by_whom: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SignedDay:
    """Who prepared and who reviewed a day, and when; None: nobody yet."""

    day: date
    prepared_by: str | None
    prepared_at: datetime | None
    reviewed_by: str | None
    reviewed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Correction:
    """What a night changed about a day's sums after that was reviewed. night: the day itself, where it was compared
    anew."""

    day: date
    reviewed_by: str
    night: date
    currency: str
    local_minor: int
    provider_minor: int


def known(connection: Connection, provider: str, day: date) -> Known | None:
    """The day's run, locked until the transaction ends; None where there is none."""
    row = connection.execute(_SQL["known"], {"provider": provider, "day": day}).fetchone()
    return None if row is None else Known(**row)


def of_day(connection: Connection, provider: str, day: date) -> Sequence[Signature]:
    """Prepared first."""
    rows = connection.execute(_SQL["of_day"], {"provider": provider, "day": day}).fetchall()
    return [Signature(**row) for row in rows]


def sign(connection: Connection, provider: str, day: date, role: Signed, *, by: str, reason: str | None) -> None:
    """Keep a signature, with what the day comes to now. The caller holds the day's run (`known`)."""
    given = {"provider": provider, "day": day, "role": role, "by": by, "reason": reason, "from": day, "to": date.max}
    row = connection.execute(_SEEN, given).fetchone()
    connection.execute(_SQL["sign"], given | {"seen": json.dumps(row["seen"] if row else [])})


def signed(connection: Connection, period: dict[str, Any]) -> Sequence[SignedDay]:
    """The days of a period (`statements.given`) that somebody signed."""
    return [SignedDay(**row) for row in connection.execute(_SQL["signed"], period).fetchall()]


def corrections(connection: Connection, period: dict[str, Any]) -> Sequence[Correction]:
    """What the nights of a period changed about reviewed days, of the period or before."""
    return [Correction(**whole(row)) for row in connection.execute(_CORRECTIONS, period).fetchall()]
