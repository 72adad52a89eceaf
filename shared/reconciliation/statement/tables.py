"""A statement's tables: columns and rows, the same for its workbook and its CSV files.

Words in the rows are those of the reader who is given: of the workbook's; those of CSV files and of the summary, which
are for programs, stay English.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from shared.domain.discrepancies import short
from shared.domain.words import mark
from shared.reconciliation.report.figures import PLAIN, Reader
from shared.reconciliation.report.night import closer, code
from shared.reconciliation.report.picture import AGES
from shared.reconciliation.report.reasons import reason
from shared.reconciliation.report.words import words
from shared.reconciliation.report.workbook import Column
from shared.reconciliation.statement.gathered import Statement
from shared.reconciliation.store.statements import Item, Sum

Row = Sequence[Any]

_YES = {True: "yes", False: "no"}
_OPEN = {True: "open", False: "closed"}
_SINCE = {True: mark("changed"), False: mark("the same")}

MOVES = (
    Column("currency", width=10),
    *(Column("opening", "count"), Column("opening in question", "money")),
    *(Column("new", "count"), Column("new in question", "money")),
    *(Column("closed", "count"), Column("closed in question", "money")),
    *(Column("open", "count"), Column("open in question", "money")),
)
DAYS = (
    *(
        Column("day", "date", 12),
        Column("complete", width=10),
        Column("currency", width=10),
        Column("entries", "count"),
    ),
    *(Column("our books", "money", 20), Column("provider's books", "money", 20), Column("difference", "money", 20)),
    *(Column("earlier days, our books", "money", 20), Column("earlier days, provider's books", "money", 20)),
    *(Column("new", "count"), Column("closed", "count"), Column("open", "count")),
)
SUMS = (
    *(Column("name", width=24), Column("currency", width=10), Column("entries", "count"), Column("differing", "count")),
    *(Column("our books", "money", 20), Column("provider's books", "money", 20), Column("difference", "money", 20)),
)
AGED = (
    Column("since its first day", width=22),
    Column("currency"),
    Column("open", "count"),
    Column("sum", "money", 20),
)
ITEMS = (
    *(Column("number", "count", 10), Column("what it is", width=28), Column("now", width=9)),
    *(Column("first day", "date", 12), Column("before the period", width=12), Column("payment", width=28)),
    *(Column("account", width=20), Column("currency", width=10), Column("our books", "money", 18)),
    *(Column("provider's books", "money", 18), Column("in question", "money", 18), Column("state", width=12)),
    *(Column("closed on", "date", 12), Column("closed by", width=16), Column("why", width=50)),
    *(Column("continues as", "count", 12), Column("in charge", width=16), Column("due", "date", 12)),
    *(Column("closing code", width=14), Column("after the review", width=14)),
)
SIGNED = (
    *(Column("day", "date", 12), Column("prepared by", width=20), Column("prepared on", "moment", 20)),
    *(Column("reviewed by", width=20), Column("reviewed on", "moment", 20), Column("version", "count", 10)),
    *(Column("digest", width=16), Column("since then", width=12)),
)
CORRECTED = (
    *(Column("day", "date", 12), Column("reviewed by", width=20), Column("changed by the night of", "date", 20)),
    *(Column("currency", width=10), Column("our books", "money", 20), Column("provider's books", "money", 20)),
    *(Column("version", "count", 10), Column("signed again by", width=20)),
)
PAYMENTS = (
    *(Column("day", "date", 12), Column("source"), Column("intent", width=24), Column("operation", width=10)),
    *(Column("amount", "money", 18), Column("state", width=12), Column("comparison", width=20)),
    *(Column("our books", "money", 18), Column("provider's books", "money", 18), Column("account", width=20)),
    *(Column("reference", width=24), Column("ended", "moment", 20)),
)


def moves(statement: Statement) -> Iterator[Row]:
    """Opening, new, closed, open, by currency."""
    for m in statement.moves:
        counts = ((m.opening, m.opening_minor), (m.fresh, m.fresh_minor), (m.closed, m.closed_minor))
        pairs = [one for n, minor in (*counts, (m.open, m.open_minor)) for one in (n, (minor, m.currency))]
        yield (m.currency, *pairs)


def days(statement: Statement, reader: Reader = PLAIN) -> Iterator[Row]:
    """A row for each day and currency."""
    for d in statement.days:
        own = ((d.local_minor, d.currency), (d.provider_minor, d.currency))
        difference = (d.local_minor - d.provider_minor, d.currency)
        earlier = ((d.earlier_local_minor, d.currency), (d.earlier_provider_minor, d.currency))
        counts = (d.fresh, d.closed, d.open)
        complete = reader.say(_YES[d.complete])
        yield (d.day, complete, d.currency, d.count, *own, difference, *earlier, *counts)


def totals(statement: Statement, reader: Reader) -> Iterator[Row]:
    """The days' own sums, and what changed about earlier days."""
    yield from sums(statement.sums, reader.say("the days' own"))
    yield from sums(statement.changes, reader.say("changes of earlier days"))


def sums(rows: Iterable[Sum], name: str | None = None) -> Iterator[Row]:
    """By source or service; those without one are told as a dash."""
    for s in rows:
        difference = (s.local_minor - s.provider_minor, s.currency)
        both = ((s.local_minor, s.currency), (s.provider_minor, s.currency))
        yield (name or s.name or "–", s.currency, s.count, s.differing, *both, difference)


def ages(statement: Statement, reader: Reader = PLAIN) -> Iterator[Row]:
    """What is open at the end."""
    titles = dict(AGES)
    for a in statement.ages:
        yield (reader.say(titles[a.least]), a.currency, a.count, (a.minor, a.currency))


def items(found: Iterable[Item], reader: Reader = PLAIN) -> Iterator[Row]:
    """Discrepancies."""
    for i in found:
        now, before = reader.say(_OPEN[i.open]), reader.say(_YES[i.before])
        money = [(minor, i.currency) for minor in (i.local_minor, i.provider_minor, i.stake_minor)]
        yield (
            *(i.number, reader.say(words(i.category).title), now, i.first_day, before, i.payment, i.account),
            *(i.currency, *money, i.state and reader.say(i.state), i.closed_on),
            *(i.resolved_by and closer(i.resolved_by, reader), reason(i.resolved_by, i.resolved_reason, reader)),
            *(i.continues_as, i.owner, i.due, code(i.closing_code, reader), reader.say(_YES[i.after_review])),
        )


def signed(statement: Statement, reader: Reader = PLAIN) -> Iterator[Row]:
    """The days that somebody signed, a row for each version."""
    for day in statement.signed:
        for one in day.versions:
            by = (one.prepared_by, one.prepared_at, one.reviewed_by, one.reviewed_at)
            books = None if one.books is None else short(one.books)
            yield (day.day, *by, one.version, books, reader.say(_SINCE[one.changed]))


def corrections(statement: Statement) -> Iterator[Row]:
    """What changed about days after they were reviewed."""
    for c in statement.corrections:
        both = ((c.local_minor, c.currency), (c.provider_minor, c.currency))
        yield (c.day, c.reviewed_by, c.night, c.currency, *both, c.version, c.again_by)
