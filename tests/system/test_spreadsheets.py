"""Workbooks and CSV files in a real spreadsheet, in the locales of those who read them: numbers are numbers."""

import csv
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from shared.reconciliation import report
from shared.reconciliation.report.sheets import form_of
from tests.support import office
from tests.support.flow import World
from tests.support.reconciled import ReportedNight, eventful

pytestmark = pytest.mark.made_up_rows

LOCALES = ("ru-RU", "tr-TR", "ka-GE", "en-US")
# LibreOffice has a decimal point in Georgian, Unicode and Windows a comma: docs/nights.md says what to ask for.
ASKED_FOR = {"ka-GE": "en"}


def columns(sheet: Sequence[Sequence[office.Cell]], name: str) -> list[office.Cell]:
    """A column's cells, without the heading and what is empty."""
    place = [text for _, text in sheet[0]].index(name)
    return [row[place] for row in sheet[1:] if len(row) > place and row[place][0] != "none"]


@pytest.mark.parametrize("locale", LOCALES)
def test_a_nights_workbook_has_numbers_and_days(world: World, tmp_path: Path, locale: str) -> None:
    report.write(world.runtime, eventful(world.connection), tmp_path, "en")
    sheets = office.opened(tmp_path / "report.xlsx", locale)
    paid = sheets["Payments"]
    assert {kind for kind, _ in columns(paid, "amount")} <= {"float", "currency"}
    assert {kind for name in ("day", "paid", "ended") for kind, _ in columns(paid, name)} == {"date"}
    with (tmp_path / "payments.csv").open(encoding="utf-8-sig", newline="") as file:
        told = sum(Decimal(row["our_books"]) for row in csv.DictReader(file))
    assert sum(Decimal(value) for _, value in columns(paid, "our books")) == told
    accounts = columns(sheets["Paid by somebody else"], "account")
    assert accounts == [("string", '=HYPERLINK("http://example.invalid")')], "a text, not a formula"


@pytest.mark.parametrize("locale", LOCALES)
def test_a_csv_file_in_the_readers_locale_has_numbers(world: World, tmp_path: Path, locale: str) -> None:
    night = ReportedNight(world.connection)
    night.pay(3, minor=123_456)
    night.pay(1, minor=9_999_999_999_999)
    asked = ASKED_FOR.get(locale, locale)
    report.write(world.runtime, night.compared(), tmp_path, "en", csv_locale=asked)
    (sheet,) = office.opened(tmp_path / "payments.csv", locale, form_of(asked).separator).values()
    assert columns(sheet, "amount") == [("float", "1234.56")] * 3 + [("float", "99999999999.99")]
    assert columns(sheet, "intent_id")[0][0] == "string"


def test_a_file_in_another_locales_form_would_be_texts(world: World, tmp_path: Path) -> None:
    night = ReportedNight(world.connection)
    night.pay(1, minor=123_456)
    report.write(world.runtime, night.compared(), tmp_path, "en")
    (sheet,) = office.opened(tmp_path / "payments.csv", "tr-TR").values()
    assert columns(sheet, "amount") != [("float", "1234.56")]
