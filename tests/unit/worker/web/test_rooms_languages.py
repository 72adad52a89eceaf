"""The control room's languages: which one a page is in, every text in each of them, and a translation that is text."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.pofile import write_po

from shared import inbox
from shared.domain.answers import Meaning, Verdict
from shared.domain.discrepancies import Category, ClosingCode
from shared.domain.payment import HoldReason, Operation, State
from shared.domain.roles import Role
from shared.people import proposals
from shared.reconciliation.report.words import CODES, WORDS
from shared.settings.reporting import LANGUAGES
from tests.checks import languages
from tests.checks.languages import OTHERS, REPORTS, ROOMS
from worker.web.problems import Fault
from worker.web.rooms import drawing, language, writing
from worker.web.rooms.language import NAMES, spoken
from worker.web.rooms.saying import SAID


@pytest.mark.parametrize(
    ("kept", "accepted", "default", "found"),
    [
        ("", "", None, "en"),
        ("", "", "mn", "mn"),
        ("", "ka", "mn", "ka"),
        ("ru", "ka", "mn", "ru"),
        ("de", "", None, "en"),
        ("", "de, fr;q=0.5", "mn", "fr"),
        ("", "de", "mn", "mn"),
        ("", "fr;q=0.2, uz-Latn-UZ;q=0.9, *;q=0.1", None, "uz"),
        ("", "tr-TR,tr;q=0.9,en-US;q=0.8", None, "tr"),
        ("", "EN-us, ka;q=0.9", None, "en"),
        ("", "ka ; q=0.3 , ru; q=0.4", None, "ru"),
        ("", "ka;q=0, ru;q=0.001", None, "ru"),
        ("", "ka;q=2, ru;q=x, fr;q=nan, mn;q=-1, tr;q=0.1", None, "tr"),
        ("", ";;;,,q=,=;q", "ka", "ka"),
        ("", "x" * 100_000, None, "en"),
        ("../ka", "\x00ka", None, "en"),
    ],
)
def test_a_page_is_in_the_language_that_was_chosen_else_the_readers(
    kept: str, accepted: str, default: str | None, found: str
) -> None:
    assert spoken(kept, accepted, default) == found


def test_each_language_says_what_it_is_called() -> None:
    assert tuple(NAMES) == LANGUAGES
    assert len(set(NAMES.values())) == len(LANGUAGES)


@pytest.mark.parametrize("speaks", OTHERS)
def test_every_text_is_translated(speaks: str) -> None:
    assert list(languages.wrong(languages.extracted(ROOMS), speaks, ROOMS)) == []


def test_a_text_that_the_reports_have_is_said_in_their_words() -> None:
    ours, theirs = languages.extracted(ROOMS), languages.extracted(REPORTS)
    assert [message.id for message in ours if message.id and message.id in theirs] == []
    assert language.translations("ru").gettext("parked") == "ждёт решения"
    assert language.translations("ru").gettext("Inbox") == languages.catalogue(ROOMS, "ru")["Inbox"].string


def test_every_code_that_a_page_shows_has_a_word() -> None:
    known = {message.id for shelf in (ROOMS, REPORTS) for message in languages.extracted(shelf)}
    codes = chain(State, Operation, HoldReason, Role, inbox.Kind, proposals.Kind, Meaning, Verdict)
    assert {code.replace("_", " ") for code in codes} - known == set()
    assert {WORDS[category].title for category in Category} - known == set()
    assert {CODES[code] for code in ClosingCode} - known == set()
    assert set(SAID.values()) - known == set()
    shown = (Fault.NOT_FOUND, Fault.BODY_LATE, Fault.BODY_TOO_LARGE, Fault.BAD_PARAMETER, Fault.DEFECT, Fault.BUSY)
    assert {fault.says for fault in (*shown, Fault.DATABASE_AWAY, Fault.STARTING)} - known == set()


def test_the_rooms_of_the_database_have_words_too() -> None:
    """What stands in CHECK constraints, and in no enumeration."""
    known = {message.id for shelf in (ROOMS, REPORTS) for message in languages.extracted(shelf)}
    schema = Path("shared/database/schema.sql").read_text("utf-8")
    for table, column in (
        *(("follow_ups", "state"), ("follow_ups", "delivery"), ("job_runs", "state"), ("reconciliations", "state")),
        *(("proposals", "state"), ("discrepancy_notes", "deed"), ("bank_accounts", "change")),
    ):
        body = re.search(rf"CREATE TABLE {table} \((.*?)\n\);", schema, re.DOTALL)
        assert body is not None, table
        found = re.search(
            rf"\n    {column} [^\n]*?CHECK \({column} IN \(([^)]*)\)|\n    {column} [^\n]*\n[^\n]*IN \(([^)]*)", body[1]
        )
        assert found is not None, (table, column)
        words = set(re.findall(r"'(\w+)'", found[1] or found[2]))
        assert words
        assert words - known == set(), (table, column)


@pytest.mark.parametrize(
    ("text", "said", "wrong"),
    [
        ("Ask `settlepipe jobs`.", "Спросите `settlepipe job`.", "says another command: Спросите `settlepipe job`."),
        ("Ask `settlepipe jobs`.", "Спросите `settlepipe jobs`.", None),
    ],
)
def test_a_translation_leaves_commands_as_they_are(text: str, said: str, wrong: str | None) -> None:
    message = Catalog(locale="ru").add(text, said)
    assert list(languages.mistakes(message, 3)) == ([] if wrong is None else [wrong])


def test_a_translation_is_text_and_never_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = languages.catalogue(ROOMS, "ka")
    for text in ("Not done", "That did not go", "To the beginning"):
        head[text].string = f'<script>alert("{text}")</script>'
    with (tmp_path / "ka.po").open("wb") as file:
        write_po(file, head)
    monkeypatch.setattr(language, "FOLDER", tmp_path)
    drawing._pages.cache_clear()
    try:
        page = drawing.draw("sentence.html", None, "ka", {"sentence": "x", "in_english": False}).decode()
    finally:
        drawing._pages.cache_clear()
    assert page.count("&lt;script&gt;alert(&#34;") == 3
    assert "<script>" not in page


def test_what_no_catalogue_has_is_said_to_be_english() -> None:
    given = {"sentence": "Nobody foresaw this.", "in_english": True}
    assert '<p class="given" lang="en">Nobody' in drawing.draw("sentence.html", None, "ka", given).decode()
    assert '<p class="given">Nobody' in drawing.draw("sentence.html", None, "en", given).decode()


@pytest.mark.parametrize(
    ("speaks", "written"),
    [
        ("en", ("1,234,567", "12,345.60", "Nov 21, 2026", "Nov 21, 2026 03:24:12", "2 hr", "1.3 sec")),
        ("fr", ("1 234 567", "12 345,60", "21 nov. 2026", "21 nov. 2026 03:24:12", "2 h", "1,3 s")),
        ("tr", ("1.234.567", "12.345,60", "21 Kas 2026", "21 Kas 2026 03:24:12", "2 sa.", "1,3 sn.")),
        ("ru", ("1 234 567", "12 345,60", "21 нояб. 2026 г.", "21 нояб. 2026 г. 03:24:12", "2 ч", "1,3 с")),
    ],
)
def test_numbers_sums_and_times_are_the_readers(speaks: str, written: tuple[str, ...]) -> None:
    by = writing.filters(speaks)
    at = datetime(2026, 11, 21, 3, 24, 12, tzinfo=UTC)
    found = (
        *(by["count"](1_234_567), by["amount"]("12345.60"), by["day"]("2026-11-21"), by["moment"](at.isoformat())),
        *(by["age"](7300.5), by["seconds"](1.26)),
    )
    assert tuple(re.sub(r"\s", " ", one) for one in found) == written
    assert by["moment"](at) == by["moment"]("2026-11-21T07:24:12+04:00")


def test_a_sum_keeps_its_places_and_what_is_none_stays() -> None:
    by = writing.filters("en")
    found = [by["amount"](one) for one in ("0.000", "1000", Decimal("-5.5"), "999999999999999.99", "4 minor units")]
    assert found == ["0.000", "1,000", "-5.5", "999,999,999,999,999.99", "4 minor units"]


# What stands in a template as it is: the product, zones, commands and files.
AS_IT_IS = {"settlepipe", "UTC", "people", "add", "NAME", "--role", "approver", "recover", "--by", "password", "export"}
AS_IT_IS |= {"SETTLEPIPE_PERSON_TOKEN_FILE"}


@pytest.mark.parametrize("path", sorted((drawing.HERE / "templates").glob("*.html")), ids=lambda path: path.name)
def test_no_words_of_a_template_are_beside_the_catalogues(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", " ", path.read_text("utf-8"), flags=re.DOTALL)
    words = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"]*)"', text) + re.split(r"<[^>]*>", text)
    assert {word for one in words for word in re.findall(r"[A-Za-z][\w.'-]+|--\w+", one)} - AS_IT_IS == set()
