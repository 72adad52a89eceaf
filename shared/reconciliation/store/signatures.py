"""Who signed a day, as it was when, and what changed about it after it was reviewed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from shared.database.engine import Connection
from shared.database.rows import whole
from shared.database.statements import statements
from shared.domain.discrepancies import Signed, short

_SQL = statements(__file__)

# What nights changed about days before them, entry by entry. One that moved to the later night's own day is taken back
# from the day on which it stood before.
_CHANGES = """
SELECT CASE WHEN c.of_day < r.day THEN c.of_day ELSE b.day END AS day, r.day AS night, c.key, c.currency,
    CASE WHEN c.of_day < r.day THEN c.local_minor ELSE 0 END - c.before_local AS local_minor,
    CASE WHEN c.of_day < r.day THEN c.provider_minor ELSE 0 END - c.before_provider AS provider_minor
FROM carried_entries c JOIN reconciliations r ON r.id = c.run_id
LEFT JOIN LATERAL (
    SELECT coalesce(f.of_day, n.day) AS day FROM findings f JOIN reconciliations n ON n.id = f.run_id
    WHERE c.of_day = r.day AND n.day < r.day
        AND f.payment_id = CASE WHEN c.key LIKE 'payment:%%' THEN substr(c.key, 9)::bigint END
    ORDER BY n.day DESC LIMIT 1) b ON true
WHERE r.provider = %(provider)s AND r.carried_at IS NOT NULL AND r.divided AND r.day >= %(from)s AND r.day < %(to)s
"""
# What days came to, by the night that said so: its own sums, and what later nights changed about them.
_STANDING = """
SELECT r.day, r.day AS night, t.currency, sum(t.local_minor) AS local_minor, sum(t.provider_minor) AS provider_minor
FROM reconciliations r, jsonb_to_recordset(r.totals) AS t(currency text, local_minor numeric, provider_minor numeric)
WHERE r.provider = %(provider)s AND r.carried_at IS NOT NULL AND r.divided AND r.day >= %(from)s AND r.day < %(to)s
GROUP BY r.day, t.currency
UNION ALL
SELECT c.day, c.night, c.currency, sum(c.local_minor), sum(c.provider_minor) FROM changes c
WHERE c.day IS NOT NULL AND (c.local_minor, c.provider_minor) <> (0, 0) GROUP BY c.day, c.night, c.currency
"""
# What each day from %(from)s to %(last)s comes to now, and a digest of it: of its sums, of what its night found, and of
# each entry that a later one changed. A person's word about a finding is none of the books.
_NOW = f"""
WITH changes AS ({_CHANGES}), standing AS ({_STANDING}), now AS (
    SELECT r.day, s.seen,
        encode(sha256(convert_to(concat_ws(E'\\n', s.seen, f.found, c.changed), 'UTF8')), 'hex') AS books
    FROM reconciliations r
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(to_jsonb(s) - 'day' ORDER BY s.night, s.currency), '[]') AS seen
        FROM standing s WHERE s.day = r.day) s
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_array(f.identity, f.category, f.currency, f.local_minor, f.provider_minor)
            ORDER BY f.identity COLLATE "C"), '[]') AS found
        FROM findings f WHERE f.run_id = r.id AND coalesce(f.of_day, r.day) = r.day) f
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_array(c.night, c.key, c.currency, c.local_minor, c.provider_minor)
            ORDER BY c.night, c.key COLLATE "C", c.currency), '[]') AS changed
        FROM changes c WHERE c.day = r.day AND (c.local_minor, c.provider_minor) <> (0, 0)) c
    WHERE r.provider = %(provider)s AND r.carried_at IS NOT NULL AND r.divided AND r.day >= %(from)s
        AND r.day <= %(last)s
)
"""
_SIGN = f"""{_NOW}
INSERT INTO day_signatures (provider, day, role, by_whom, reason, seen, version, books)
SELECT %(provider)s, day, %(role)s, %(by)s, %(reason)s, seen, %(version)s, books FROM now RETURNING books
"""
# A day that is being compared comes to nothing that can be told: what was signed of it counts as changed.
_DAYS = f"""{_NOW}
SELECT day, coalesce(n.books, '') AS books, s.version, max(s.books) AS covers,
    bool_or(coalesce(NOT (s.seen @> n.seen AND s.seen <@ n.seen) OR coalesce(s.books <> n.books, false), true))
        AS changed,
    max(by_whom) FILTER (WHERE role = 'prepared') AS prepared_by,
    max(at) FILTER (WHERE role = 'prepared') AS prepared_at,
    max(by_whom) FILTER (WHERE role = 'reviewed') AS reviewed_by,
    max(at) FILTER (WHERE role = 'reviewed') AS reviewed_at
FROM now n FULL JOIN (SELECT * FROM day_signatures WHERE provider = %(provider)s AND day >= %(from)s
    AND day <= %(last)s) s USING (day)
GROUP BY day, n.books, s.version ORDER BY day, s.version
"""
# What is told by nights of the period and is not what a reviewer saw: from each review of a day to the next one, and
# from the last one until now.
_CORRECTIONS = f"""
WITH changes AS ({_CHANGES}), standing AS ({_STANDING}), reviewed AS (
    SELECT day, version, by_whom, seen, lead(seen) OVER later AS then, lead(by_whom) OVER later AS again_by
    FROM day_signatures WHERE provider = %(provider)s AND role = 'reviewed' AND day < %(to)s
    WINDOW later AS (PARTITION BY day ORDER BY version)
), seen AS (
    SELECT g.day, g.version, s.* FROM reviewed g, jsonb_to_recordset(g.seen)
        AS s(night date, currency text, local_minor numeric, provider_minor numeric)
    WHERE s.night >= %(from)s AND s.night < %(to)s
), became AS (
    SELECT g.day, g.version, s.* FROM reviewed g, jsonb_to_recordset(g.then)
        AS s(night date, currency text, local_minor numeric, provider_minor numeric)
    WHERE s.night >= %(from)s AND s.night < %(to)s
    UNION ALL SELECT g.day, g.version, n.night, n.currency, n.local_minor, n.provider_minor
    FROM standing n JOIN reviewed g USING (day) WHERE g.then IS NULL
)
SELECT day, version, g.by_whom AS reviewed_by, night, currency,
    coalesce(n.local_minor, 0) - coalesce(s.local_minor, 0) AS local_minor,
    coalesce(n.provider_minor, 0) - coalesce(s.provider_minor, 0) AS provider_minor, g.again_by
FROM became n FULL JOIN seen s USING (day, version, night, currency) JOIN reviewed g USING (day, version)
WHERE (coalesce(n.local_minor, 0), coalesce(n.provider_minor, 0))
    <> (coalesce(s.local_minor, 0), coalesce(s.provider_minor, 0))
ORDER BY day, version, night, currency
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A day's run. over: its day was, when it was begun. compared: it is told of, its sums of its own day apart."""

    day: date
    over: bool
    compared: bool


@dataclass(frozen=True, slots=True)
class Version:
    """Who prepared and who reviewed a day as it was then, and when; None: nobody yet.

    books: the digest of what they signed; None: a release without it was what they signed by. changed: the day comes to
    something else now.
    """

    version: int
    books: str | None
    changed: bool
    prepared_by: str | None
    prepared_at: datetime | None
    reviewed_by: str | None
    reviewed_at: datetime | None


@dataclass(frozen=True, slots=True)
class SignedDay:
    """A day, and who signed it, the first version first. books: the digest of what it comes to now; empty: it is not
    compared, or being compared."""

    provider: str
    day: date
    books: str
    versions: Sequence[Version]

    @property
    def last(self) -> Version | None:
        """The newest signatures."""
        return self.versions[-1] if self.versions else None

    @property
    def again(self) -> bool:
        """It was signed, and changed since."""
        return self.last is not None and self.last.changed

    @property
    def next(self) -> Signed | None:
        """As what it is signed next; None: it is signed by two, as it is."""
        if self.last is None or self.last.changed:
            return Signed.PREPARED
        return Signed.REVIEWED if self.last.reviewed_by is None else None

    @property
    def command(self) -> str | None:
        """By which it is signed next, as it is now."""
        if self.next is None or not self.books:
            return None
        given = f"--date {self.day} --as {self.next} --books {short(self.books)}"
        return f"settlepipe discrepancies sign {self.provider} {given}"


@dataclass(frozen=True, slots=True)
class Correction:
    """What a night changed about a day's sums after a version of it was reviewed. night: the day itself, where it was
    compared anew. again_by: who reviewed the next version, which has the change in it; None: nobody yet."""

    day: date
    version: int
    reviewed_by: str
    night: date
    currency: str
    local_minor: int
    provider_minor: int
    again_by: str | None


def known(connection: Connection, provider: str, day: date) -> Known | None:
    """The day's run, locked until the transaction ends; None where there is none."""
    row = connection.execute(_SQL["known"], {"provider": provider, "day": day}).fetchone()
    return None if row is None else Known(**row)


def days(connection: Connection, provider: str, first: date, last: date) -> Sequence[SignedDay]:
    """The days of a provider that were compared, or signed, and who signed them; the oldest first."""
    given = {"provider": provider, "from": first, "to": date.max, "last": last}
    found: dict[date, SignedDay] = {}
    for row in connection.execute(_DAYS, given).fetchall():
        day, books, covers = row.pop("day"), row.pop("books"), row.pop("covers")
        before = found[day].versions if day in found else ()
        versions = before if row["version"] is None else (*before, Version(books=covers, **row))
        found[day] = SignedDay(provider, day, books, versions)
    return list(found.values())


def of_day(connection: Connection, provider: str, day: date) -> SignedDay:
    """One of them."""
    return next(iter(days(connection, provider, day, day)), SignedDay(provider, day, "", ()))


def sign(
    connection: Connection, provider: str, day: date, role: Signed, version: int, *, by: str, reason: str | None
) -> str:
    """Keep a signature, with what the day comes to now; the digest of that. The caller holds the day's run (`known`),
    which was compared."""
    given = {"provider": provider, "role": role, "by": by, "reason": reason, "version": version}
    row = connection.execute(_SIGN, given | {"from": day, "to": date.max, "last": day}).fetchone()
    assert row is not None  # noqa: S101 - the run is there, and compared
    return str(row["books"])


def corrections(connection: Connection, period: dict[str, Any]) -> Sequence[Correction]:
    """What the nights of a period changed about reviewed days, of the period or before."""
    return [Correction(**whole(row)) for row in connection.execute(_CORRECTIONS, period).fetchall()]
