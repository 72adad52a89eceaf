"""Workbooks for spreadsheets: typed cells, a heading that stays, filters; written in constant memory.

Each row goes to disk when the next one begins. A spreadsheet counts in doubles: an amount of more than 15 significant
digits would be another one there, so it is written as text, with a note on its sheet. Texts from outside are texts: a
cell that looks like a formula or an address is none. Sums are the caller's, from the database; no cell is a formula.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO

from shared.domain.money import places
from shared.domain.words import mark
from shared.reconciliation.report.figures import Reader

ROWS = 1_000_000  # of a sheet; then the next one begins
EXACT_MINOR = 10**15  # from here on a double is another amount
NOTE = mark("An amount of more than 15 digits stands here as text: a spreadsheet would round it.")
MEANWHILE = ".sheets.tmp"
_TEXT_LIMIT = 32_767  # characters of a cell
_NAME_LIMIT = 31
_OPTIONS = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "in_memory": False}


@dataclass(frozen=True, slots=True)
class Column:
    """title: a text to be translated. kind: text, count, money (its cells are pairs of minor units and a currency),
    date or moment."""

    title: str
    kind: str = "text"
    width: int = 16


@dataclass(slots=True)
class Book:
    """A workbook that is being written. reader: in whose zone moments are shown, and whose language it has."""

    book: Any
    reader: Reader
    formats: dict[str, Any] = field(default_factory=dict)

    def format(self, number: str) -> Any:
        """The format of cells that are shown so."""
        if number not in self.formats:
            self.formats[number] = self.book.add_format({"num_format": number})
        return self.formats[number]


@contextmanager
def workbook(file: BinaryIO, reader: Reader, created: datetime, beside: Path) -> Iterator[Book]:
    """A workbook that is written into `file` at the end. created: is said in it, so that the same content has the same
    bytes. beside: a folder, in a hidden one of which the rows stand meanwhile: what a killed writer left there is gone
    with the next one. One writer at a time."""
    import xlsxwriter  # noqa: PLC0415 - few processes ever write one

    meanwhile = beside / MEANWHILE
    shutil.rmtree(meanwhile, ignore_errors=True)
    meanwhile.mkdir()
    options = _OPTIONS | {"tmpdir": str(meanwhile)}
    book = xlsxwriter.Workbook(file, options)
    book.set_properties({"created": created.astimezone(UTC).replace(tzinfo=None)})
    try:
        yield Book(book, reader)
        book.close()
    finally:
        shutil.rmtree(meanwhile, ignore_errors=True)


def sheet(book: Book, name: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> int:
    """A sheet with a heading and these rows, and further ones of the same name behind it; how many rows. name: marked
    for translation, as the columns' titles are."""
    total, numbered, left, name = 0, 0, iter(rows), book.reader.say(name)
    first = next(left, None)
    while first is not None or numbered == 0:
        numbered += 1
        behind = "" if numbered == 1 else f" {numbered}"
        count, first = _one(book, name[: _NAME_LIMIT - len(behind)] + behind, columns, first, left)
        total += count
    return total


def note(book: Book, name: str, text: str) -> None:
    """A sheet that says why it has no rows. text: in the reader's language."""
    book.book.add_worksheet(book.reader.say(name)[:_NAME_LIMIT]).write_string(0, 0, text)


def _one(
    book: Book, name: str, columns: Sequence[Column], first: Sequence[Any] | None, rows: Iterator[Sequence[Any]]
) -> tuple[int, Sequence[Any] | None]:
    """One sheet, full or with all that is left; how many rows, and the first of the next sheet."""
    written = book.book.add_worksheet(name)
    head = book.book.add_format({"bold": True, "bottom": 1})
    for place, column in enumerate(columns):
        written.set_column(place, place, column.width)
        written.write_string(0, place, book.reader.say(column.title), head)
    written.freeze_panes(1, 0)
    count, noted, row = 0, False, first
    while row is not None and count < ROWS:
        count += 1
        for place, (column, value) in enumerate(zip(columns, row, strict=True)):
            if value is not None:
                noted |= _cell(book, written, (count, place), column.kind, value)
        row = next(rows, None)
    written.autofilter(0, 0, max(count, 1), len(columns) - 1)
    written.repeat_rows(0)
    written.set_footer("&L&A&R&P / &N")
    if noted:
        said = book.reader.say(NOTE)
        written.set_header(f"&L{said}")
        written.write_string(count + 2, 0, said)
    return count, row


def _cell(book: Book, written: Any, place: tuple[int, int], kind: str, value: Any) -> bool:
    """Write one cell; True: an amount that had to be text."""
    if kind == "money":
        return _money(book, written, place, *value)
    if kind == "count":
        written.write_number(*place, value, book.format("#,##0"))
    elif kind == "date" and isinstance(value, date):
        written.write_datetime(*place, datetime(value.year, value.month, value.day), book.format("yyyy-mm-dd"))  # noqa: DTZ001 - a spreadsheet has no zones
    elif kind == "moment":
        moment = value.astimezone(book.reader.zone).replace(tzinfo=None)
        written.write_datetime(*place, moment, book.format("yyyy-mm-dd hh:mm:ss"))
    else:
        written.write_string(*place, str(value)[:_TEXT_LIMIT])
    return False


def _money(book: Book, written: Any, place: tuple[int, int], minor: int, currency: str | None) -> bool:
    digits = 0
    with suppress(ValueError):  # one that nobody knows: its minor units
        digits = places(currency or "")
    if abs(minor) >= EXACT_MINOR:
        sign, text = "-" if minor < 0 else "", str(abs(minor)).rjust(digits + 1, "0")
        written.write_string(*place, sign + (f"{text[:-digits]}.{text[-digits:]}" if digits else text))
        return True
    number = "#,##0" + ("." + "0" * digits if digits else "")
    shown = f'{number} "{currency}"' if currency else number
    written.write_number(*place, minor / 10**digits, book.format(shown))
    return False
