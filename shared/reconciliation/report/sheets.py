"""CSV files for spreadsheets, small enough to be written row by row: amounts plain, or as a locale's spreadsheet reads
them."""

import csv
import io
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any, BinaryIO

from babel.numbers import get_decimal_symbol

from shared.domain.cells import BYTE_ORDER_MARK, Form, harmless
from shared.domain.money import format_amount
from shared.reconciliation.report.figures import reader_locale
from shared.reconciliation.report.workbook import Column


def form_of(locale: str | None) -> Form:
    """As spreadsheets in this locale read files: a semicolon where the decimal mark is a comma. None: for programs.

    Raises ValueError for an unknown locale.
    """
    if locale is None:
        return Form()
    decimal = get_decimal_symbol(reader_locale(locale))
    return Form(decimal, ";" if decimal == "," else ",")


def write(file: BinaryIO, form: Form, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> None:
    """A file with a heading and these rows, in the form of the columns: moments are UTC, texts never run."""
    file.write(BYTE_ORDER_MARK.encode())
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(text, delimiter=form.separator, lineterminator="\n")
    writer.writerow([column.title for column in columns])
    for row in rows:
        writer.writerow([_cell(form, column.kind, value) for column, value in zip(columns, row, strict=True)])
    text.flush()
    text.detach()


def _cell(form: Form, kind: str, value: Any) -> str:
    if value is None:
        return ""
    if kind == "money":
        minor, currency = value
        with suppress(ValueError):  # a currency that nobody knows: its minor units
            return format_amount(minor, currency or "").replace(".", form.decimal)
        return str(minor)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return str(harmless(str(value)) if kind == "text" else value)
