"""A report tells what its run left behind: all of it, once, the same every time."""

import csv
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from shared.archive.twins import TABLES
from shared.domain.discrepancies import Category
from shared.reconciliation import report
from shared.reconciliation.report import picture
from shared.reconciliation.report.figures import reader
from shared.reconciliation.report.words import WORDS
from shared.reconciliation.store import reports, runs
from shared.settings.reporting import LANGUAGES
from tests.support.flow import World
from tests.support.reconciled import HOSTILE, ReportedNight, eventful

pytestmark = pytest.mark.made_up_rows

FILES = ("carried.csv", "discrepancies.csv", "payments.csv", "report.html", "report.xlsx", "summary.json")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def summary(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "summary.json").read_bytes())
    return told


def timeless(folder: Path) -> dict[str, object]:
    """The files' bytes without the marked times."""
    told: dict[str, object] = {name: (folder / name).read_bytes() for name in FILES}
    page = (folder / "report.html").read_text("utf-8")
    told["report.html"], cuts = re.subn("<!-- times -->.*<!-- /times -->", "", page, flags=re.DOTALL)
    assert cuts == 1
    told["summary.json"] = json.dumps({k: v for k, v in summary(folder).items() if k != "times"})
    return told


def sums(found: Iterator[Mapping[str, str]]) -> tuple[Decimal, Decimal]:
    pairs = [(Decimal(row["our_books"]), Decimal(row["provider_books"])) for row in found]
    return sum((ours for ours, _ in pairs), Decimal()), sum((theirs for _, theirs in pairs), Decimal())


def test_what_matched_and_every_finding_add_up_to_the_sums_that_are_printed(world: World, tmp_path: Path) -> None:
    report.write(world.runtime, eventful(world.connection), tmp_path, "en")
    matched = sums(row for row in rows(tmp_path / "payments.csv") if row["comparison"] == "matched")
    found = sums(iter(rows(tmp_path / "discrepancies.csv")))
    (told,) = summary(tmp_path)["sums"]
    assert (matched[0] + found[0], matched[1] + found[1]) == (
        Decimal(told["our_books"]),
        Decimal(told["provider_books"]),
    )
    assert Decimal(told["difference"]) == Decimal(told["our_books"]) - Decimal(told["provider_books"]) != 0
    page = (tmp_path / "report.html").read_text("utf-8")
    for text in ("229,320.50", "228,282.00", "1,038.50"):
        assert text in page


def test_every_category_is_named_with_its_payment_and_what_to_do(world: World, tmp_path: Path) -> None:
    report.write(world.runtime, eventful(world.connection), tmp_path, "en")
    found = rows(tmp_path / "discrepancies.csv")
    assert {row["category"] for row in found} == set(Category) - {Category.MATCHED}
    assert len(found) == 12
    page = (tmp_path / "report.html").read_text("utf-8")
    for row in found:
        assert f'id="{row["category"]}"' in page
        assert row["meaning"] in page
        assert not row["source"] or f"{row['source']}/{row['intent_id'].removeprefix(chr(39))}" in page
    assert page.count("What to do</dt>") == len(Category) - 1


def test_a_report_that_is_written_again_says_the_same(world: World, tmp_path: Path) -> None:
    run = eventful(world.connection)
    report.write(world.runtime, run, tmp_path / "first", "en")
    # what became of a payment since is another night's news
    assert world.execute("UPDATE payments SET state = 'succeeded' WHERE state = 'accepted'") == 2
    report.write(world.runtime, runs.get(world.connection, run.id), tmp_path / "second", "en")
    assert timeless(tmp_path / "first") == timeless(tmp_path / "second")


def test_what_is_in_the_archive_is_in_the_report(world: World, tmp_path: Path) -> None:
    run = eventful(world.connection)
    report.write(world.runtime, run, tmp_path / "before", "en")
    for table in TABLES[:1]:
        world.execute(
            f"""WITH gone AS (DELETE FROM {table} WHERE finished_at IS NOT NULL RETURNING *)
            INSERT INTO archive.{table} SELECT * FROM gone"""
        )
    assert world.value("SELECT count(*) FROM archive.payments") > 2_000
    report.write(world.runtime, run, tmp_path / "after", "en")
    assert timeless(tmp_path / "before") == timeless(tmp_path / "after")


def test_text_from_outside_is_shown_and_never_run(world: World, tmp_path: Path) -> None:
    report.write(world.runtime, replace(eventful(world.connection), missing=HOSTILE, complete=False), tmp_path, "en")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;document.title=&#34;run&#34;&lt;/script&gt;") == 3


def test_no_cell_is_a_formula_and_numbers_stay_numbers(world: World, tmp_path: Path) -> None:
    night = ReportedNight(world.connection)
    starts = ("=1+1", "+1", "-1", "@a", "|a", "\t=1", " =1", "\r=1", "\uff1d1", "plain")
    for n, text in enumerate(starts):
        night.find(Category.PAID_ELSEWHERE, theirs=-100, account=text, identity=f"{text}:{n}")
        night.pay(intent=f"-{n}-1", account=text)
    report.write(world.runtime, night.compared(), tmp_path, "en")
    for name in ("discrepancies.csv", "payments.csv"):
        accounts = {row["account"] for row in rows(tmp_path / name)}
        assert accounts == {text if text == "plain" else f"'{text}" for text in starts}
    assert {row["difference"] for row in rows(tmp_path / "discrepancies.csv")} == {"1.00"}
    assert {row["provider_books"] for row in rows(tmp_path / "discrepancies.csv")} == {"-1.00"}
    assert {row["intent_id"] for row in rows(tmp_path / "payments.csv")} == {f"'-{n}-1" for n in range(len(starts))}
    assert (tmp_path / "payments.csv").read_bytes().startswith(b"\xef\xbb\xbfsource,")


def test_numbers_and_dates_are_the_readers(world: World, tmp_path: Path) -> None:
    run = eventful(world.connection)
    report.write(world.runtime, run, tmp_path / "de", "de_AT")
    page = (tmp_path / "de" / "report.html").read_text("utf-8")
    assert re.search(r"229\W320,50", page)
    assert 'lang="de-AT">Samstag, 21. November 2026<' in page
    with pytest.raises(ValueError, match="not known"):
        report.write(world.runtime, run, tmp_path / "none", "tlh_QO")
    assert not (tmp_path / "none").exists()


def test_what_is_closed_needs_no_action(world: World, tmp_path: Path) -> None:
    night = ReportedNight(world.connection)
    night.pay(5)
    night.find(Category.AMOUNT_MISMATCH, local=500, theirs=400, minor=500, closed=("Ana", "a fee, as agreed"))
    report.write(world.runtime, night.compared(), tmp_path, "en")
    told = summary(tmp_path)
    assert (told["verdict"], told["new"], told["open"]) == ("settled", 0, 0)
    assert told["entries"] == {"agrees": 5, "settled": 1, "watch": 0, "act": 0}
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Everything agrees or is closed" in page
    assert "a fee, as agreed" in page


def test_a_day_on_which_all_is_well_says_so(world: World, tmp_path: Path) -> None:
    night = ReportedNight(world.connection)
    night.pay(5)
    report.write(world.runtime, night.compared(), tmp_path, "en")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "All 5 entries stand in both books" in page
    assert "Nothing is open." in page
    assert summary(tmp_path)["verdict"] == "agrees"


def test_books_that_were_not_read_in_full_are_never_called_in_order(world: World, tmp_path: Path) -> None:
    night = ReportedNight(world.connection)
    night.pay(5)
    report.write(world.runtime, night.compared(missing="page 7 of 9 answered 502.", unread=3), tmp_path, "en")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "could not be read in full" in page
    assert "page 7 of 9 answered 502." in page
    assert "3 payments were left out" in page
    assert "Everything agrees" not in page
    assert summary(tmp_path)["complete"] is False


def test_a_day_without_payments_has_a_report_too(world: World, tmp_path: Path) -> None:
    report.write(world.runtime, ReportedNight(world.connection).compared(), tmp_path, "en")
    assert "There was nothing to compare" in (tmp_path / "report.html").read_text("utf-8")
    assert rows(tmp_path / "payments.csv") == rows(tmp_path / "discrepancies.csv") == []
    assert summary(tmp_path)["verdict"] == "nothing"


def test_the_day_is_the_providers_and_may_have_25_hours(world: World, tmp_path: Path) -> None:
    night = ReportedNight(world.connection, zone="Europe/Istanbul")
    night.pay(3, hour=0)
    night.find(Category.STILL_UNKNOWN, minor=5, state="unknown", hour=-30)
    run = night.compared()
    longer = replace(run, period_to=run.period_to.replace(hour=run.period_to.hour + 1))
    with world.runtime.database.connection() as connection:
        reports.keep_hours(connection, longer)
        shown = picture.gather(connection, longer, reports.kept(connection, run.id), "Acme", night.zone)
    assert len(shown.hours) == 25
    assert shown.hours[0]["succeeded"] == 3
    assert shown.outside == 1
    assert [start.astimezone(UTC).minute for start in shown.starts()] == [0] * 25


def test_open_discrepancies_are_counted_by_age_in_the_providers_days(world: World) -> None:
    run = eventful(world.connection)
    with world.runtime.database.connection() as connection:
        shown = picture.gather(connection, run, reports.kept(connection, run.id), "Acme", "UTC")
    assert {bucket.title: bucket.count for bucket in shown.buckets} == {
        "New today": 7,
        "1 day": 1,
        "2 to 6 days": 1,
        "7 to 29 days": 2,
        "30 days or more": 1,
    }
    assert shown.buckets[-1].minor == {"MNT": 9_900}  # unknown: its own amount is in question
    assert (shown.open, shown.fresh, len(shown.carried)) == (12, 7, 1)


def test_a_page_shows_the_largest_and_the_file_has_all(world: World, tmp_path: Path) -> None:
    night = ReportedNight(world.connection)
    for n in range(picture.ROWS + 3):
        night.find(Category.PAID_ELSEWHERE, theirs=1_000 + n, identity=f"paid_elsewhere:{n}", account=f"a-{n:03}")
    report.write(world.runtime, night.compared(), tmp_path, "en")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "These are the 200 largest" in page
    assert len(re.findall("a-[0-9]{3}<", page)) == picture.ROWS
    assert "a-202<" in page
    assert "a-002<" not in page
    assert len(rows(tmp_path / "discrepancies.csv")) == picture.ROWS + 3


def test_a_run_that_was_not_compared_has_no_report(world: World, tmp_path: Path) -> None:
    night = ReportedNight(world.connection)
    run = runs.get(world.connection, night.run_id)
    with pytest.raises(ValueError, match="was not compared yet"):
        report.write(world.runtime, run, tmp_path / "none", "en")


def sheets(folder: Path) -> dict[str, str]:
    """The workbook's sheets by their names, as XML."""
    with zipfile.ZipFile(folder / "report.xlsx") as book:
        names = re.findall('sheet name="([^"]*)"', book.read("xl/workbook.xml").decode())
        return {name: book.read(f"xl/worksheets/sheet{n}.xml").decode() for n, name in enumerate(names, 1)}


def test_the_workbook_has_a_sheet_for_each_category_and_every_payment(world: World, tmp_path: Path) -> None:
    report.write(world.runtime, eventful(world.connection), tmp_path, "en")
    found = sheets(tmp_path)
    categories = [words.title for category, words in WORDS.items() if category is not Category.MATCHED]
    assert set(found) == {"Sums", *categories, "Carried forward", "Payments"}
    for category, words in WORDS.items():
        if category is not Category.MATCHED:
            listed = [row for row in rows(tmp_path / "discrepancies.csv") if row["category"] == category]
            assert found[words.title].count("<row ") == 1 + len(listed)
    assert found["Payments"].count("<row ") == 1 + len(rows(tmp_path / "payments.csv"))
    assert "<f>" not in "".join(found.values()), "sums are the database's"
    (told,) = summary(tmp_path)["sums"]
    assert f"<v>{told['our_books'].rstrip('0')}</v>" in found["Sums"]


@pytest.mark.parametrize("speaks", LANGUAGES)
def test_a_report_is_in_the_readers_language_and_the_files_for_programs_are_not(
    world: World, tmp_path: Path, speaks: str
) -> None:
    run = eventful(world.connection)
    report.write(world.runtime, run, tmp_path / "en", "en")
    report.write(world.runtime, run, tmp_path / "2026-11-21" / "safe", "en", language=speaks)
    report.write_index(tmp_path, "en", speaks)
    said = reader("UTC", "en", speaks).say
    for path in (tmp_path / "2026-11-21" / "safe" / "report.html", tmp_path / "index.html"):
        page = path.read_text("utf-8")
        assert f'<html lang="{speaks}">' in page
        assert speaks == "en" or said("Needs action") not in ("", "Needs action")
    page = (tmp_path / "2026-11-21" / "safe" / "report.html").read_text("utf-8")
    for words in WORDS.values():
        assert str(escape(said(words.title))) in page
    assert set(map(said, ("Sums", "Payments"))) <= set(sheets(tmp_path / "2026-11-21" / "safe"))
    for name in ("payments.csv", "discrepancies.csv", "carried.csv", "summary.json"):
        assert (tmp_path / "2026-11-21" / "safe" / name).read_bytes() == (tmp_path / "en" / name).read_bytes()


def test_a_night_of_more_payments_than_are_asked_for_has_them_in_the_csv_file_alone(
    world: World, tmp_path: Path
) -> None:
    settings = world.runtime.settings
    few = settings.model_copy(update={"report": settings.report.model_copy(update={"workbook_payments": 3})})
    night = ReportedNight(world.connection)
    night.pay(4)
    report.write(replace(world.runtime, settings=few), night.compared(), tmp_path, "en")
    assert "More than 3 payments: they are in payments.csv." in sheets(tmp_path)["Payments"]
    assert len(rows(tmp_path / "payments.csv")) == 4


def test_csv_files_have_the_locales_decimal_mark_and_separator_when_asked_for(world: World, tmp_path: Path) -> None:
    run = eventful(world.connection)
    report.write(world.runtime, run, tmp_path / "plain", "tr")
    report.write(world.runtime, run, tmp_path / "tr", "en", csv_locale="tr")
    for name in ("payments.csv", "discrepancies.csv", "carried.csv"):
        with (tmp_path / "tr" / name).open(encoding="utf-8-sig", newline="") as file:
            turkish = list(csv.DictReader(file, delimiter=";"))
        plain = rows(tmp_path / "plain" / name)
        assert [{**row, "our_books": row["our_books"].replace(",", ".")}["our_books"] for row in turkish] == [
            row["our_books"] for row in plain
        ]
        assert any("," in row["our_books"] for row in turkish)
        assert [row["account"] for row in turkish] == [row["account"] for row in plain]


def test_memory_does_not_grow_with_the_number_of_payments(world: World, tmp_path: Path) -> None:
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not clear.exists():
        pytest.skip("peak memory can be measured on Linux only")

    def growth_kb(run: Any) -> int:
        def kb(name: str) -> int:
            return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name))

        clear.write_text("5")
        before = kb("VmRSS")
        report.write(world.runtime, run, tmp_path, "en")
        return kb("VmHWM") - before

    night = ReportedNight(world.connection)
    night.pay(1_000)
    growth_kb(night.compared())  # what is imported and cached once
    night.pay(60_000, every_s=0.5)
    assert growth_kb(night.compared()) < 8_000
    assert (tmp_path / "payments.csv").stat().st_size > 8_000_000
