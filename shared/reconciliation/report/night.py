"""The night's workbook: a sheet for the sums, one for each category that was found, one for what was carried forward,
and the single payments."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from shared.database.engine import Connection
from shared.discrepancies import BOOKS
from shared.domain.words import mark
from shared.languages import SOURCE
from shared.reconciliation.report import workbook
from shared.reconciliation.report.evidence import pairs
from shared.reconciliation.report.figures import Reader
from shared.reconciliation.report.files import whole
from shared.reconciliation.report.picture import Picture
from shared.reconciliation.report.reasons import reason
from shared.reconciliation.report.words import CODES, here, words
from shared.reconciliation.report.workbook import Column
from shared.reconciliation.store import reports
from shared.reconciliation.store.reports import Shown

Row = Sequence[Any]

SUMS = (
    *(Column("what was found", width=28), Column("currency", width=10), Column("entries", "count")),
    *(Column("our books", "money", 22), Column("provider's books", "money", 22), Column("difference", "money", 22)),
    Column("in question", "money", 22),
)
FOUND = (
    *(Column("number", "count", 10), Column("what it is", width=28), Column("now", width=9)),
    *(Column("first day", "date", 12), Column("payment", width=28), Column("operation", width=10)),
    *(Column("amount", "money", 18), Column("state", width=24), Column("reference", width=24)),
    *(Column("account", width=20), Column("our books", "money", 18), Column("provider's books", "money", 18)),
    *(Column("difference", "money", 18), Column("closed by", width=16), Column("why", width=40)),
    *(Column("continues as", "count", 12), Column("in charge", width=16), Column("due", "date", 12)),
    *(Column("closing code", width=14), Column("comments", width=40), Column("evidence", width=80)),
)
PAYMENTS = (
    *(Column("day", "date", 12), Column("source"), Column("intent", width=24), Column("operation", width=10)),
    *(Column("amount", "money", 18), Column("state", width=12), Column("comparison", width=24)),
    *(Column("our books", "money", 18), Column("provider's books", "money", 18), Column("account", width=20)),
    *(Column("reference", width=24), Column("paid", "moment", 20), Column("came", "moment", 20)),
    Column("ended", "moment", 20),
)


@dataclass(frozen=True, slots=True)
class Kept:
    """created: said in the workbook. payments: are the single payments still kept? most: with more of them than this
    they are left out."""

    created: datetime
    payments: bool
    most: int


def write(connection: Connection, picture: Picture, kept: Kept, reader: Reader, path: Path) -> None:
    """report.xlsx, in the caller's snapshot, in constant memory.

    Where the single payments are no longer kept, a workbook that is there is left as it is.
    """
    if not kept.payments and path.exists():
        return
    run = picture.run
    with whole(path) as file, workbook.workbook(file, reader, kept.created, path.parent) as book:
        workbook.sheet(book, mark("Sums"), SUMS, sums(picture, reader))
        for category, rows in groupby(reports.findings(connection, run), key=lambda one: one.category):
            workbook.sheet(book, words(category).title, FOUND, found(rows, reader))
        carried = reports.carried(connection, run)
        workbook.sheet(book, mark("Carried forward"), FOUND, found(carried, reader))
        if not kept.payments:
            workbook.note(book, mark("Payments"), reader.say("The single payments are no longer kept."))
        elif reports.more_than(connection, run.id, kept.most):
            workbook.note(
                book,
                mark("Payments"),
                reader.say("More than %(count)s payments: they are in payments.csv.", count=reader.count(kept.most)),
            )
        else:
            paid = reports.payments(connection, run, picture.zone)
            workbook.sheet(book, mark("Payments"), PAYMENTS, payments(paid, reader))


def sums(picture: Picture, reader: Reader) -> Iterator[Row]:
    """By currency: a row for each category, and their sum."""
    for one in picture.sums:
        for t in one.totals:
            both = ((t.local_minor, one.currency), (t.provider_minor, one.currency))
            stake = picture.in_question(t.category).get(one.currency)
            yield (
                *(reader.say(words(t.category).title), one.currency, t.count, *both),
                *((t.local_minor - t.provider_minor, one.currency), stake and (stake, one.currency)),
            )
        whole_sum = ((one.local_minor, one.currency), (one.provider_minor, one.currency))
        count = sum(t.count for t in one.totals)
        yield (reader.say("Sum"), one.currency, count, *whole_sum, (one.difference_minor, one.currency), None)


def found(rows: Iterable[Shown], reader: Reader) -> Iterator[Row]:
    """Findings, or what was carried forward."""
    for row in rows:
        amounts = (row.local_minor, row.provider_minor, row.local_minor - row.provider_minor)
        money = [(minor, row.currency) if row.currency else None for minor in amounts]
        yield (
            *(row.number, reader.say(words(row.category).title), reader.say(_now(row)), row.first_day, row.payment),
            row.operation and reader.say(row.operation),
            *(row.payment and (row.amount_minor, row.own_currency), row.state and reader.say(here(row.state))),
            *(row.sent_reference, row.account, *money, row.resolved_by and closer(row.resolved_by, reader)),
            *(reason(row.resolved_by, row.resolved_reason, reader), row.continues_as, row.owner, row.due),
            *(code(row.closing_code, reader), _comments(row)),
            "; ".join(f"{name}: {text}" for name, text in pairs(row, reader)) or None,
        )


def payments(rows: Iterable[tuple[Any, ...]], reader: Reader) -> Iterator[Row]:
    """Single payments, as `reports.payments` gives them."""
    for day, source, intent, operation, minor, currency, state, category, ours, theirs, *rest in rows:
        money = ((minor, currency), (ours, currency), (theirs, currency))
        said = (reader.say(state), reader.say(words(category).title))
        yield (day, source, intent, reader.say(operation), money[0], *said, *money[1:], *rest)


def closer(by: str, reader: Reader) -> str:
    """Who closed it: a person by their name, the books by the reader's word."""
    return reader.say(by) if by == BOOKS else by


def code(closing: str | None, reader: Reader) -> str | None:
    """Of what kind it was, in words; English keeps the code, as the files for programs do."""
    return closing if closing is None or reader.speaks == SOURCE else reader.say(CODES[closing])


def _comments(row: Shown) -> str | None:
    said = (f"{note['by']}: {note['text']}" for note in row.notes or () if note["deed"] == "comment")
    return "; ".join(said) or None


def _now(row: Shown) -> str:
    if row.resolved_by:
        return "closed"
    return "new" if row.fresh else "open"
