"""`settlepipe statement`: a period of a provider's nights."""

import contextlib
import json
import zipfile
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg.rows import dict_row

from deploy.cli.main import main
from shared.database.engine import driver_url
from tests.support.reconciled import eventful


@pytest.fixture
def told(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database with one eventful night of ubill's, 2026-11-21."""
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", database_url)
    monkeypatch.setenv("SETTLEPIPE_SECRET_KEYS", json.dumps([Fernet.generate_key().decode()]))
    monkeypatch.setenv("SETTLEPIPE_HOME", str(tmp_path / "home"))
    with contextlib.closing(
        psycopg.connect(driver_url(database_url), autocommit=True, row_factory=dict_row)
    ) as connection:
        connection.execute("INSERT INTO lanes (provider) VALUES ('ubill') ON CONFLICT DO NOTHING")
        eventful(connection, provider="ubill")


@pytest.mark.usefixtures("told")
def test_a_month_is_told_and_its_files_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["statement", "ubill", "--month", "2026-11", "--out", str(tmp_path / "out"), "--locale", "en"]
    assert main([*given, "--csv-locale", "tr", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    summary = json.loads(line)
    (sums,) = summary["sums"]
    assert (sums["our_books"], sums["providers_books"]) == ("229320.50", "228282.00")
    assert (summary["complete"], len(summary["days"])) == (False, 1)
    assert "2026-11-20" in summary["missing_days"]
    folder = tmp_path / "out" / "ubill"
    names = {"statement.html", "statement.xlsx", "days.csv", "discrepancies.csv", "summary.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert "229320,50" in (folder / "days.csv").read_text("utf-8-sig")
    page = (folder / "statement.html").read_text("utf-8")
    assert "229,320.50" in page
    assert "<script" not in page
    with zipfile.ZipFile(folder / "statement.xlsx") as book:
        sheets = book.read("xl/workbook.xml").decode()
    for sheet in ("Open and closed", "Days", "Sources", "Ageing", "Missing at the provider", "Payments"):
        assert f'name="{sheet}"' in sheets
    assert main(given) == 0
    assert "statement.html" in capsys.readouterr().out


@pytest.mark.usefixtures("told")
def test_a_statement_is_in_the_language_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETTLEPIPE_REPORT__LANGUAGE", "ru")
    monkeypatch.setenv("LC_ALL", "C")
    given = ["statement", "ubill", "--month", "2026-11", "--out", str(tmp_path)]
    for asked, lang, title, sheet, sums in (
        ([], "ru", "Сводка за период", "Открыто и закрыто", "229\xa0320,50\xa0MNT"),
        (["--language", "ka", "--locale", "en"], "ka", "პერიოდის ამონაწერი", "ღია და დახურული", "229,320.50\xa0MNT"),
    ):
        assert main([*given, *asked]) == 0
        page = (tmp_path / "ubill" / "statement.html").read_text("utf-8")
        assert f'<html lang="{lang}">' in page
        assert title in page
        assert sums in page
        with zipfile.ZipFile(tmp_path / "ubill" / "statement.xlsx") as book:
            assert f'name="{sheet}"' in book.read("xl/workbook.xml").decode()
    assert (tmp_path / "ubill" / "days.csv").read_text("utf-8-sig").startswith("day,complete,currency,entries,")


@pytest.mark.usefixtures("told")
def test_without_a_period_it_is_the_providers_newest_month_that_has_a_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["statement", "ubill", "--out", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["period"] == "2026-11"
    assert main(["statement", "mtn", "--out", str(tmp_path)]) == 1
    assert "no day was compared yet" in capsys.readouterr().err


@pytest.mark.usefixtures("told")
def test_a_period_without_a_night_has_no_statement(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["statement", "ubill", "--quarter", "2026-Q1"]) == 1
    assert "no day of 2026-Q1 was compared" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--month", "2026-11", "--year", "2026"], "say which period"),
        (["--month", "2026-13"], "is no month"),
        (["--month", "2026-11", "--locale", "tlh"], "is not known"),
        (["--month", "2026-11", "--language", "de"], "give one of en, mn, ka"),
    ],
)
def test_wrong_use_says_what_is_meant(given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["statement", "all", *given]) == 2
    assert said in capsys.readouterr().err
