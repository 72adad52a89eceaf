"""Every text in every language: there, with its values, in its plural form, and short enough for a sheet's name."""

import re
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages import Catalog

from shared.languages import SOURCE
from shared.reconciliation.report.figures import PLAIN, Reader, reader
from shared.reconciliation.report.page import TEMPLATES
from shared.reconciliation.report.reasons import reason
from shared.reconciliation.report.words import WORDS
from shared.settings.reporting import LANGUAGES
from tests.checks import languages

OTHERS = [one for one in LANGUAGES if one != SOURCE]
SHEETS = ("Sums", "Carried forward", "Payments", "Open and closed", "Days", "Sources", "Services", "Ageing")


def reads(speaks: str) -> Reader:
    return reader("Asia/Tbilisi", speaks, speaks)


@pytest.mark.parametrize("speaks", OTHERS)
def test_every_text_is_translated(speaks: str) -> None:
    assert list(languages.wrong(languages.extracted(), speaks)) == []


def test_a_new_text_and_one_that_is_said_no_more_are_told() -> None:
    source = languages.extracted()
    source.add("a text of tomorrow")
    source.delete("Everything agrees")
    assert list(languages.wrong(source, "ka")) == [
        "“a text of tomorrow” is not in it",
        "“Everything agrees” is said nowhere",
    ]


@pytest.mark.parametrize(
    ("text", "said", "wrong"),
    [
        ("All", "", "is not translated"),
        ("All %(count)s", "Все", "has other values: Все"),
        ("All", "Все %(count)s", "has other values: Все %(count)s"),
        ("All", "<b>Все</b>", "holds markup, or a percent sign: <b>Все</b>"),
        ("All", "100 %", "holds markup, or a percent sign: 100 %"),
        ("All", "Все ", "begins or ends with a blank: Все "),
        (("%(count)s row", "%(count)s rows"), ("%(count)s строка",), "is not translated"),
    ],
)
def test_a_translation_that_would_spoil_a_page_is_told(text: str, said: str, wrong: str) -> None:
    catalogue = Catalog(locale="ru")
    assert list(languages.mistakes(catalogue.add(text, said), 3)) == [wrong]


def test_a_number_decides_the_form() -> None:
    one, more = "%(count)s day is not in it, or not in full", "%(count)s days are not in it, or not in full"
    said = [reads("ru").many(one, more, number).split()[1] for number in (1, 2, 5, 21)]
    assert said == ["день", "дня", "дней", "день"]
    assert PLAIN.many(one, more, 1_000) == "1,000 days are not in it, or not in full"


@pytest.mark.parametrize("speaks", LANGUAGES)
def test_sheets_have_names_that_a_workbook_takes(speaks: str) -> None:
    names = [reads(speaks).say(name) for name in (*SHEETS, *(words.title for words in WORDS.values()))]
    cut = [name[: 31 - len(" 99")].lower() for name in names]
    assert len(set(cut)) == len(names), "also where a number stands behind"
    assert [name for name in names if re.search(r"[\[\]:*?/\\']", name)] == []


@pytest.mark.parametrize(
    ("locale", "asked", "environment", "found"),
    [
        (None, None, "ka_GE.UTF-8", ("ka_GE", "en")),
        (None, "ru", "ka_GE.UTF-8", ("ru", "ru")),
        (None, "ka", "ka_GE.UTF-8", ("ka_GE", "ka")),
        ("fr_CI", "ru", "C", ("fr_CI", "ru")),
        (None, "uz", "C", ("uz", "uz")),
    ],
)
def test_numbers_are_the_locales_else_the_languages(
    locale: str | None, asked: str | None, environment: str, found: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", environment)
    got = reader("UTC", locale, asked)
    assert (str(got.locale), got.speaks) == found


def test_a_language_that_nobody_translated_is_refused() -> None:
    with pytest.raises(ValueError, match="give one of en, mn, ka"):
        reader("UTC", "en", "de")


def test_why_the_books_closed_one_is_said_in_the_readers_language() -> None:
    kept = "the books as read for 2026-11-21 agree"
    assert reason("books", kept, PLAIN) == kept
    assert reason("books", kept, reads("ru")) == "данные поставщика за 21 нояб. 2026 г. совпадают с нашими".replace(
        "21 нояб. 2026 г.", reads("ru").day(date(2026, 11, 21))
    )
    assert reason("Nino", kept, reads("ru")) == kept, "a person's words stay"
    assert reason("books", "as nobody foresaw", reads("ru")) == "as nobody foresaw"
    assert reason("books", None, reads("ru")) is None


def test_each_reason_that_is_written_is_known() -> None:
    """The sentences of `shared/discrepancies.py`, as the reader's language has to know them."""
    written = Path("shared/discrepancies.py").read_text("utf-8")
    for known in languages.extracted():
        text = known.id if isinstance(known.id, str) else ""
        if text.startswith(("the books as read", "the total as read")):
            before, after = text.split("%(day)s")
            assert f"'{before}' || %(day)s || '{after}'" in written, text


def test_the_language_of_texts_is_not_that_of_dates() -> None:
    said = Reader(reads("ka").locale, ZoneInfo("UTC"), "fr")
    assert (said.say("Nothing."), said.language) == ("Rien.", "ka")


# What stands in a template as it is: names of files, commands, marks.
AS_IT_IS = {"settlepipe", "payments.csv", "report.xlsx", "discrepancies.csv", "carried.csv", "summary.json", "days.csv"}
AS_IT_IS |= {"statement.xlsx", "discrepancies", "close", "--reason", "--by", "NAME"}


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_no_words_of_a_template_are_beside_the_catalogues(path: Path) -> None:
    said_by_code = r"<style>.*?</style>|\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}"
    text = re.sub(said_by_code, " ", path.read_text("utf-8"), flags=re.DOTALL)
    words = re.findall(r'(?:aria-label|title|alt)="([^"]*)"', text) + re.split(r"<[^>]*>", text)
    said = {word for one in words for word in re.findall(r"[A-Za-z][\w.'-]+|--\w+", one)}
    assert said - AS_IT_IS == set()
