"""What a statement says, gathered from what the nights of its period kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from shared.database.engine import Connection
from shared.providers.base import Registration
from shared.reconciliation.statement.period import Span
from shared.reconciliation.store import signatures, statements
from shared.reconciliation.store.signatures import Correction, SignedDay
from shared.reconciliation.store.statements import Aged, Day, Item, Move, Sum

ROWS = 500  # discrepancies on the page; the files have all of them


@dataclass(frozen=True, slots=True)
class Statement:
    """One provider's. sums: the days' own, in all; changes: what its nights changed about earlier days' sums.

    missing: days of the span that were not compared, or not whole; older: those of them that a release compared which
    kept no day apart. signed: days that somebody signed, as it is now; corrections: of what was reviewed. written_at:
    when the last of its nights was carried on; None where there is none.
    """

    provider: str
    title: str
    zone: str
    span: Span
    moves: Sequence[Move]
    days: Sequence[Day]
    sums: Sequence[Sum]
    changes: Sequence[Sum]
    sources: Sequence[Sum]
    services: Sequence[Sum]
    ages: Sequence[Aged]
    items: Sequence[Item]
    missing: Sequence[date]
    older: Sequence[date]
    written_at: datetime | None
    signed: Sequence[SignedDay] = ()
    corrections: Sequence[Correction] = ()

    @property
    def unreviewed(self) -> int:
        """How many of the days that were compared nobody has reviewed."""
        reviewed = {one.day for one in self.signed if any(version.reviewed_by for version in one.versions)}
        return len({day.day for day in self.days} - reviewed)

    @property
    def to_sign_again(self) -> Sequence[SignedDay]:
        """The days that changed since they were signed."""
        return [one for one in self.signed if one.again]

    @property
    def values(self) -> dict[str, Any]:
        """What statements about it are given."""
        return statements.given(self.provider, self.span.first, self.span.end)


def gather(connection: Connection, known: Registration, span: Span, until: date) -> Statement:
    """Read it, in the caller's transaction. known: the provider. until: the first day that is not over."""
    provider = known.name
    period = statements.given(provider, span.first, span.end)
    days = statements.days(connection, period)
    whole = {day.day for day in days if day.complete}
    length = (min(span.end, until) - span.first).days
    return Statement(
        provider=provider,
        title=known.title,
        zone=known.zone,
        span=span,
        moves=statements.moves(connection, period),
        days=days,
        sums=statements.whole_sums(connection, period),
        changes=statements.changes(connection, period),
        sources=statements.sums(connection, period, "source"),
        services=statements.sums(connection, period, "service"),
        ages=statements.ages(connection, period),
        items=list(statements.items(connection, period, ROWS)),
        missing=[day for n in range(length) if (day := span.first + timedelta(days=n)) not in whole],
        older=statements.older(connection, period),
        written_at=statements.written_at(connection, period),
        signed=[one for one in signatures.days(connection, provider, span.first, span.last) if one.versions],
        corrections=signatures.corrections(connection, period),
    )
