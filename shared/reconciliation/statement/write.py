"""write: a provider's statement of a period, as a page, a workbook, CSV files and a summary for programs."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from shared.database import clock
from shared.database.engine import Connection, Database
from shared.domain.money import format_amount
from shared.domain.words import mark
from shared.providers.base import Registration
from shared.reconciliation.report import sheets, workbook
from shared.reconciliation.report.figures import Reader, reader
from shared.reconciliation.report.files import whole
from shared.reconciliation.report.night import payments
from shared.reconciliation.report.page import render
from shared.reconciliation.report.picture import AGES
from shared.reconciliation.report.words import words
from shared.reconciliation.statement import tables
from shared.reconciliation.statement.gathered import ROWS, Statement, gather
from shared.reconciliation.statement.period import Span
from shared.reconciliation.store import reports, statements

FILES = ("statement.html", "statement.xlsx", "days.csv", "discrepancies.csv", "summary.json")


class Nothing(Exception):  # noqa: N818 - says what is so
    """No night of this period was compared by a release that kept a day's sums apart. The message says so."""


def write(
    database: Database,
    known: Registration,
    span: Span,
    folder: Path,
    *,
    locale: str | None = None,
    language: str | None = None,
    csv_locale: str | None = None,
    only: Collection[str] = FILES,
) -> Mapping[str, Any]:
    """Write FILES, or some of them, into `folder`; the summary.

    Each file is there whole or not at all, summary.json last. Memory does not grow with the number of payments or
    discrepancies. The same nights give the same bytes. language: of the page and the workbook. csv_locale: whose
    decimal mark and separator the CSV files have. Raises ValueError for an unknown locale or language, Nothing.
    """
    form = sheets.form_of(csv_locale)
    reads = reader(known.zone, locale, language)
    with reports.snapshot(database) as connection:
        until = clock.now(connection).astimezone(reads.zone).date()
        statement = gather(connection, known, span, until)
        if statement.written_at is None:
            raise Nothing(_nothing(statement))
        if "days.csv" in only:
            with whole(folder / "days.csv") as file:
                sheets.write(file, form, tables.DAYS, tables.days(statement))
        if "discrepancies.csv" in only:
            with whole(folder / "discrepancies.csv") as file:
                found = statements.items(connection, statement.values)
                sheets.write(file, form, tables.ITEMS, tables.items(found))
        if "statement.xlsx" in only:
            _workbook(connection, statement, folder, reads, statement.written_at)
    if "statement.html" in only:
        with whole(folder / "statement.html") as file:
            file.write(_page(statement, reads).encode())
    told = summary(statement)
    if "summary.json" in only:
        with whole(folder / "summary.json") as file:
            file.write((json.dumps(told, ensure_ascii=False, indent=2) + "\n").encode())
    return told


def _nothing(statement: Statement) -> str:
    if not statement.older:
        return f"no day of {statement.span.name} was compared with the books of {statement.provider}"
    first = f"settlepipe reconcile {statement.provider} --date {statement.older[0]} --again"
    return (
        f"the days of {statement.span.name} were compared by an earlier release, which kept no day's sums apart;"
        f" as long as its lines are kept a day can be compared anew, the oldest first: {first}"
    )


def _workbook(connection: Connection, statement: Statement, folder: Path, reader: Reader, created: datetime) -> None:
    with (
        whole(folder / "statement.xlsx") as file,
        workbook.workbook(file, reader, created, folder) as book,
    ):
        workbook.sheet(book, mark("Open and closed"), tables.MOVES, tables.moves(statement))
        workbook.sheet(book, mark("Sums"), tables.SUMS, tables.totals(statement, reader))
        workbook.sheet(book, mark("Days"), tables.DAYS, tables.days(statement, reader))
        workbook.sheet(book, mark("Sources"), tables.SUMS, tables.sums(statement.sources))
        workbook.sheet(book, mark("Services"), tables.SUMS, tables.sums(statement.services))
        workbook.sheet(book, mark("Ageing"), tables.AGED, tables.ages(statement, reader))
        if statement.signed:
            workbook.sheet(book, mark("Signatures"), tables.SIGNED, tables.signed(statement, reader))
        if statement.corrections:
            workbook.sheet(book, mark("Corrections"), tables.CORRECTED, tables.corrections(statement))
        found = statements.items(connection, statement.values)
        for category, rows in groupby(found, key=lambda item: item.category):
            workbook.sheet(book, words(category).title, tables.ITEMS, tables.items(rows, reader))
        paid = statements.payments(connection, statement.values)
        workbook.sheet(book, mark("Payments"), tables.PAYMENTS, payments(paid, reader))


def _page(statement: Statement, reader: Reader) -> str:
    return render(
        "statement.html", reader, statement=statement, span=statement.span, words=words, ages=dict(AGES), rows=ROWS
    )


def summary(statement: Statement) -> dict[str, Any]:
    """For programs: amounts are text with the currency's places."""
    return {
        "provider": statement.provider,
        "title": statement.title,
        "period": statement.span.name,
        "first_day": statement.span.first.isoformat(),
        "last_day": statement.span.last.isoformat(),
        "zone": statement.zone,
        "complete": not statement.missing,
        "missing_days": [day.isoformat() for day in statement.missing],
        "days_of_an_earlier_release": [day.isoformat() for day in statement.older],
        "discrepancies": list(_rows(tables.MOVES, tables.moves(statement))),
        "sums": list(_rows(tables.SUMS[1:], (row[1:] for row in tables.sums(statement.sums)))),
        "changes_of_earlier_days": list(_rows(tables.SUMS[1:], (row[1:] for row in tables.sums(statement.changes)))),
        "days": list(_rows(tables.DAYS, tables.days(statement))),
        "sources": list(_rows(tables.SUMS, tables.sums(statement.sources))),
        "services": list(_rows(tables.SUMS, tables.sums(statement.services))),
        "open_by_age": list(_rows(tables.AGED, tables.ages(statement))),
        "signatures": list(_rows(tables.SIGNED, tables.signed(statement))),
        "not_reviewed": statement.unreviewed,
        "to_sign_again": [one.day.isoformat() for one in statement.to_sign_again],
        "corrections": list(_rows(tables.CORRECTED, tables.corrections(statement))),
        "times": {"written_at": statement.written_at and statement.written_at.astimezone(UTC).isoformat()},
    }


def _rows(columns: Iterable[workbook.Column], rows: Iterable[tables.Row]) -> Iterator[dict[str, Any]]:
    names = [column.title.replace("'", "").replace(",", "").replace(" ", "_") for column in columns]
    for row in rows:
        yield dict(zip(names, map(_plain, row), strict=True))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        minor, currency = value
        return None if currency is None else format_amount(minor, currency)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value
