"""Discrepancies as people and programs see them. Reads only."""

from collections.abc import Iterator
from datetime import date

from shared.archive.twins import every
from shared.database.engine import Connection, Row
from shared.database.rows import whole
from shared.discrepancies import NOTES
from shared.reconciliation.store import signatures
from shared.reconciliation.store.signatures import SignedDay

_SUBJECT = f"(SELECT p.source || '/' || p.intent_id FROM {every('payments')} p WHERE p.id = d.payment_id)"
_COLUMNS = f"""d.id, d.category, d.provider, {_SUBJECT} AS payment, d.account, d.currency, d.local_minor,
    d.provider_minor, d.identity, utc_text(d.first_seen) AS first_seen, utc_text(d.last_seen) AS last_seen,
    utc_text(d.resolved_at) AS resolved_at, d.resolved_by, d.resolved_reason, d.evidence,
    d.first_day::text AS first_day, d.continues_as, d.owner, d.due::text AS due, d.closing_code,
    coalesce({NOTES}, '[]') AS notes"""

_LIST = f"""
SELECT {_COLUMNS} FROM discrepancies d
WHERE (%(everything)s OR d.resolved_at IS NULL) AND (%(provider)s::text IS NULL OR d.provider = %(provider)s)
    AND (%(category)s::text IS NULL OR d.category = %(category)s)
    AND (%(owner)s::text IS NULL OR d.owner = %(owner)s)
ORDER BY d.first_seen, d.id
"""


_DAYS = """
SELECT r.id, r.provider, r.day::text AS day, r.state, r.complete, r.carried_at IS NOT NULL AND r.divided AS compared,
    r.started_at >= r.period_to AS over, utc_text(r.compared_at) AS compared_at, (SELECT count(*) FROM discrepancies d
        WHERE d.provider = r.provider AND d.resolved_at IS NULL AND d.first_day = r.day) AS open
FROM reconciliations r
WHERE CASE WHEN %(one)s THEN (r.day, r.provider) = (%(day)s::date, %(provider)s)
      ELSE (r.day, r.provider) < (%(day)s::date, %(before)s) AND coalesce(r.provider = %(provider)s, true)
          AND coalesce(r.day = %(only)s::date, true) END
ORDER BY r.day DESC, r.provider DESC LIMIT %(limit)s
"""

_MONTHS = """
SELECT DISTINCT to_char(day, 'YYYY-MM') AS month FROM reconciliations
WHERE carried_at IS NOT NULL AND divided AND coalesce(provider = %(provider)s, true) ORDER BY month DESC
"""


def listed(
    connection: Connection,
    *,
    everything: bool = False,
    provider: str | None = None,
    category: str | None = None,
    owner: str | None = None,
) -> Iterator[Row]:
    """The open ones, with `everything` the closed ones too; the oldest first, in constant memory."""
    given = {"everything": everything, "provider": provider, "category": category, "owner": owner}
    with connection.transaction(), connection.cursor(name="rows") as cursor:
        cursor.itersize = 1000
        cursor.execute(_LIST, given)
        yield from map(whole, cursor)


def listed_page(
    connection: Connection,
    *,
    everything: bool,
    provider: str | None,
    owner: str | None,
    skip: int,
    limit: int,
) -> list[Row]:
    """Up to `limit` of the same, behind the first `skip`."""
    given = {"everything": everything, "provider": provider, "category": None, "owner": owner}
    statement = _LIST + "LIMIT %(limit)s OFFSET %(skip)s"
    return [whole(row) for row in connection.execute(statement, given | {"skip": skip, "limit": limit}).fetchall()]


def days(
    connection: Connection,
    before: tuple[str, str] | None,
    limit: int,
    provider: str | None = None,
    *,
    only: date | None = None,
) -> list[Row]:
    """Up to `limit` days that were compared, or are about to be, the newest first, each with who signed it (`signed`);
    before: (day, provider). provider: only this one's; only: this day alone."""
    day, other = before or ("9999-12-31", "~")
    given = {"day": day, "before": other, "provider": provider, "only": only, "limit": limit, "one": False}
    return _with_signatures(connection, connection.execute(_DAYS, given).fetchall())


def months(connection: Connection, provider: str | None = None) -> list[str]:
    """Those of which a day was compared, like 2026-11, the newest first; of one provider, or of any."""
    return [row["month"] for row in connection.execute(_MONTHS, {"provider": provider}).fetchall()]


def day(connection: Connection, provider: str, day: str) -> Row | None:
    """One of them."""
    given = {"day": day, "before": "", "provider": provider, "only": None, "limit": 1, "one": True}
    found = _with_signatures(connection, connection.execute(_DAYS, given).fetchall())
    return found[0] if found else None


def _with_signatures(connection: Connection, rows: list[Row]) -> list[Row]:
    """One look for each provider."""
    known: dict[tuple[str, date], SignedDay] = {}
    for provider in {row["provider"] for row in rows}:
        of_it = [date.fromisoformat(row["day"]) for row in rows if row["provider"] == provider]
        for found in signatures.days(connection, provider, min(of_it), max(of_it)):
            known[provider, found.day] = found
    for row in rows:
        key = row["provider"], date.fromisoformat(row["day"])
        row["signed"] = known.get(key, SignedDay(*key, "", ()))
    return rows


def one(connection: Connection, number: int) -> Row | None:
    """The discrepancy with this number, or None."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM discrepancies d WHERE d.id = %s", (number,)).fetchone()
    return None if row is None else whole(row)
