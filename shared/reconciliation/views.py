"""Discrepancies as people and programs see them. Reads only."""

from collections.abc import Iterator

from shared.archive.twins import every
from shared.database.engine import Connection, Row
from shared.database.rows import whole
from shared.discrepancies import NOTES

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


def one(connection: Connection, number: int) -> Row | None:
    """The discrepancy with this number, or None."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM discrepancies d WHERE d.id = %s", (number,)).fetchone()
    return None if row is None else whole(row)
