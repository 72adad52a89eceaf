"""Workbooks: numbers are numbers, dates dates, text is text, and nothing is lost at a sheet's end."""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.reconciliation.report import sheets, workbook
from shared.reconciliation.report.figures import reader
from shared.reconciliation.report.workbook import NOTE, Column

COLUMNS = (Column("what"), Column("sum", "money"), Column("n", "count"), Column("day", "date"), Column("at", "moment"))
AT = datetime(2026, 11, 21, 20, 30, tzinfo=UTC)


def made(folder: Path, rows: Iterable[Sequence[Any]], columns: Sequence[Column] = COLUMNS) -> bytes:
    file = io.BytesIO()
    with workbook.workbook(file, reader("Asia/Ulaanbaatar", "en"), AT, folder) as book:
        workbook.sheet(book, "Rows", columns, rows)
    return file.getvalue()


def part(book: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        return parts.read(name).decode()


def cells(book: bytes, number: int = 1) -> dict[str, str]:
    """What stands in each cell of a sheet: numbers as they are, texts in quotes."""
    found = {}
    for place, kind, inner in re.findall(
        r'<c r="([A-Z]+\d+)"[^>]*?(?: t="(\w+)")?[^>]*>(.*?)</c>', part(book, f"xl/worksheets/sheet{number}.xml")
    ):
        text = re.sub("<[^>]*>", "", inner)
        found[place] = f'"{text}"' if kind else text
    return found


def test_cells_are_of_their_type(tmp_path: Path) -> None:
    found = cells(made(tmp_path, [("=1+1", (-123_456, "MNT"), 7, date(2026, 11, 21), AT)]))
    assert found["A2"] == '"=1+1"', "a text, not a formula"
    assert (found["B2"], found["C2"], found["D2"]) == ("-1234.56", "7", "46347")
    assert found["E2"].startswith("46348.1875"), "in the provider's zone"


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (999_999_999_999_999, "MNT", "9999999999999.99"),
        (10**15, "MNT", '"10000000000000.00"'),
        (-(10**15) - 5, "MNT", '"-10000000000000.05"'),
        (10**15, "JPY", '"1000000000000000"'),
        (5, "XXX", "5"),
    ],
)
def test_an_amount_that_a_spreadsheet_would_round_is_text_with_a_note(
    tmp_path: Path, minor: int, currency: str, shown: str
) -> None:
    book = made(tmp_path, [("x", (minor, currency), 1, None, None)])
    assert cells(book)["B2"] == shown
    assert (NOTE in part(book, "xl/worksheets/sheet1.xml")) == shown.startswith('"')


def test_amounts_bear_their_currency_and_rows_can_be_filtered(tmp_path: Path) -> None:
    book = made(tmp_path, [("x", (100, "GEL"), 1, None, None)] * 3)
    assert "#,##0.00 &quot;GEL&quot;" in part(book, "xl/styles.xml")
    assert '<autoFilter ref="A1:E4"' in part(book, "xl/worksheets/sheet1.xml")


def test_the_next_sheet_begins_when_one_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "ROWS", 3)
    book = made(tmp_path, ((n,) for n in range(7)), (Column("n", "count"),))
    found = [cells(book, sheet) for sheet in (1, 2, 3)]
    assert [{k: v for k, v in one.items() if k != "A1"} for one in found] == [
        {"A2": "0", "A3": "1", "A4": "2"},
        {"A2": "3", "A3": "4", "A4": "5"},
        {"A2": "6"},
    ]
    assert re.findall('sheet name="([^"]*)"', part(book, "xl/workbook.xml")) == ["Rows", "Rows 2", "Rows 3"]


def test_nothing_is_left_beside_a_workbook_whoever_was_killed_or_failed(tmp_path: Path) -> None:
    left = tmp_path / workbook.MEANWHILE
    left.mkdir()
    (left / "tmp1").write_text("of a killed writer")
    made(tmp_path, [("x", (100, "GEL"), 1, None, None)])
    assert list(tmp_path.iterdir()) == []

    def failing() -> Iterator[Sequence[Any]]:
        yield ("x", (100, "GEL"), 1, None, None)
        assert list(left.iterdir()), "the rows stand there meanwhile"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        made(tmp_path, failing())
    assert list(tmp_path.iterdir()) == []


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    rows = [("x", (100, "GEL"), 1, date(2026, 1, 1), AT)]
    assert made(tmp_path, rows) == made(tmp_path, rows)


@pytest.mark.parametrize(
    ("locale", "line"), [(None, "a,12.34"), ("ru", "a;12,34"), ("tr", "a;12,34"), ("ka", "a;12,34")]
)
def test_a_csv_file_has_the_locales_decimal_mark_and_separator(locale: str | None, line: str) -> None:
    file = io.BytesIO()
    sheets.write(file, sheets.form_of(locale), (Column("what"), Column("sum", "money")), [("a", (1234, "MNT"))])
    assert file.getvalue().decode("utf-8-sig").splitlines()[1] == line
