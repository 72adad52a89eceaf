"""The control room in the reader's language: chosen, kept, and everywhere on every page."""

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.pofile import write_po

from shared.database.engine import Connection
from shared.domain.roles import Role
from shared.settings.reporting import LANGUAGES
from tests.checks import languages
from tests.checks.languages import ROOT, SHELVES, Shelf
from tests.support.door import Door, door, door_of
from tests.support.furnished import PAGES, PARKED, furnish
from tests.support.room import Browser, inside, set_up

PEOPLE = {"Bob": Role.APPROVER, "Ann": Role.OPERATOR, "Eve": Role.VIEWER, "Dan": Role.ACCOUNTANT}


@pytest.fixture
def opened(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Door]:
    set_up(database_url, PEOPLE)
    with door(database_url, broker_url, tmp_path, REPORT__LANGUAGE="mn") as found:
        yield found


def spoken(browser: Browser, path: str, accepted: str = "") -> str:
    """The language that a page says that it is in."""
    answer = browser.ask("GET", path, Accept_Language=accepted)
    assert answer.status == 200, answer.body
    assert answer.headers["vary"] == "Accept-Language, Cookie"
    found = re.search(r'<html lang="(\w+)">', answer.body.decode())
    assert found is not None
    return found[1]


def test_a_page_is_in_the_readers_language_and_in_the_chosen_one(opened: Door) -> None:
    stranger, ann = Browser(opened.port), inside(opened.port, "Ann")
    for browser, path in ((stranger, "/login"), (ann, "/lanes")):
        assert spoken(browser, path) == "mn"
        assert spoken(browser, path, "de, ka-GE;q=0.7, en;q=0.3") == "ka"
    for language in LANGUAGES:
        answer = ann.send("/lanes", "/language", language=language)
        assert (answer.status, answer.headers["location"]) == (303, "/lanes")
        assert spoken(ann, "/lanes", "ka") == language
    cookie = ann.send("/lanes", "/language", language="ru").headers["set-cookie"]
    assert all(part in cookie for part in ("settlepipe-language=ru", "HttpOnly", "SameSite=strict", "Max-Age="))
    assert 'name="password"' in stranger.get("/login"), "who is not in may choose, too"
    assert stranger.send("/login", "/language", language="fr").status == 303
    assert "Code à usage unique" in stranger.get("/login")
    ann.cookies["settlepipe-language"] = "../../ru"
    assert spoken(ann, "/lanes", "tr") == "tr"


def test_a_choice_leads_back_to_a_page_of_ours_and_to_no_other_place(opened: Door) -> None:
    ann = inside(opened.port, "Ann")
    page = ann.form("/search?state=parked&said=paused", "/language")
    assert page == {"back": "/search?state=parked"}, "what was said is not said again"
    for back in (
        *(
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example",
            "evil",
            "",
            "/a\r\nSet-Cookie: x=1",
            "/\u00e9",
        ),
        "/" + "x" * 3000,
    ):
        answer = ann.ask("POST", "/language", {"language": "ru", "back": back})
        assert (answer.status, answer.headers["location"]) == (303, "/"), back
    before = dict(ann.cookies)
    for language in ("", "de", "en ", "EN" * 50, "../ka"):
        answer = ann.ask("POST", "/language", {"language": language, "back": "/"})
        assert answer.status == (303 if language.strip() in LANGUAGES else 422), language
    assert set(ann.cookies) == set(before)
    assert ann.ask("POST", "/language", {"language": "ru"}, Origin="http://evil.example").status == 403


def test_what_goes_wrong_is_said_in_the_readers_language(opened: Door) -> None:
    ann = inside(opened.port, "Ann")
    ann.send("/lanes", "/language", language="ru")
    assert "Такого платежа нет" in ann.ask("GET", "/payments/no/such").body.decode()
    assert "Эта форма пришла с другого сайта" in ann.ask("POST", "/logout", {}, Origin="null").body.decode()
    refused = ann.ask("POST", "/discrepancies/1/close", ann.form("/", "/logout")).body.decode()
    assert "Ann: роль — оператор; это может: бухгалтер или утверждающий" in refused
    wrong = Browser(opened.port, {"settlepipe-language": "ru"}).log_in("Ann", "a wrong password")
    assert "Имя, пароль или код неверны." in wrong.body.decode()
    assert "Он" not in ann.get("/lanes?said=paused")
    assert "Канал на паузе." in ann.get("/lanes?said=paused")


class Words(HTMLParser):
    """The texts of a page that are neither somebody's own (`given`), nor said to be of a language, nor commands."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        own = tag in ("code", "pre", "script") or "given" in (given.get("class") or "").split()
        if tag not in ("meta", "link", "input", "br", "html"):
            self._open.append((tag, own or "lang" in given))
        self.texts += [given[name] or "" for name in ("aria-label", "placeholder", "title", "alt") if name in given]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.texts.append("" if any(own for _, own in self._open) else data)


def pseudo(shelf: Shelf, tree: Path) -> None:
    """Georgian in which each text is itself between brackets."""
    catalogue = languages.catalogue(shelf, "ka")
    for message in catalogue:
        if message.id:
            message.string = f"⟦{message.id}⟧" if isinstance(message.id, str) else (f"⟦{message.id[1]}⟧",)
    with (tree / shelf.folder.relative_to(ROOT) / "ka.po").open("wb") as file:
        write_po(file, catalogue)


def beside(page: str) -> set[str]:
    """Latin words of a page that stand between no brackets."""
    words = Words()
    words.feed(page)
    text, before = "\n".join(words.texts), ""
    while text != before:
        text, before = re.sub(r"⟦[^⟦⟧]*⟧", " ", text), text
    return set(re.findall(r"[A-Za-z][A-Za-z_]+", text))


# The product, zones; data of the test in titles, labels and targets.
AS_IT_IS = {"settlepipe", "UTC", "HTTP", "shop", "mtn", "billcenter", "ubill"}


def test_every_text_of_every_page_is_translated(
    database_url: str, broker_url: str, tmp_path: Path, connection: Connection
) -> None:
    tree = tmp_path / "tree"
    for part in ("shared", "worker", "scheduler", "deploy"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    for shelf in SHELVES:
        pseudo(shelf, tree)
    set_up(database_url, PEOPLE)
    with door_of(tree, database_url, broker_url, tmp_path) as found:
        furnish(connection)
        outside = Browser(found.port).ask("GET", "/login", Accept_Language="ka")
        assert beside(outside.body.decode()) <= AS_IT_IS
        ann = inside(found.port, "Ann")
        answer = {"answer": "refused", "reason": "x", "although": "the biller said so", "line": ""}
        proposed = ann.ask("POST", f"{PARKED}/resolve", ann.form(PARKED, f"{PARKED}/resolve") | answer)
        assert proposed.status == 303, proposed.body
        left: dict[tuple[str, str], set[str]] = {}
        for name in PEOPLE:
            browser = inside(found.port, name)
            browser.cookies["settlepipe-language"] = "ka"
            for path in PAGES:
                page = browser.ask("GET", path).body.decode()
                assert "⟦" in page, path
                left[path, name] = beside(page) - AS_IT_IS
        assert {where: words for where, words in left.items() if words} == {}
