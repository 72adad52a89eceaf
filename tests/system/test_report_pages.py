"""The pages in a real Chromium: light, dark, on a phone and on paper, in every language; readable for everybody, asking
for nothing."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared import discrepancies as living
from shared.domain.discrepancies import Reconciliation, Signed
from shared.reconciliation import discrepancies, report
from shared.reconciliation.sign import sign
from shared.reconciliation.statement import period
from shared.reconciliation.statement import write as statement
from shared.reconciliation.store import runs
from shared.settings.reporting import LANGUAGES
from tests.support import chromium
from tests.support.flow import World
from tests.support.reconciled import HOSTILE, ReportedNight, eventful

pytestmark = pytest.mark.made_up_rows

_PAPER = "rgb(255, 255, 255)"
_WIDTH = "document.documentElement.scrollWidth"
_LANDSCAPE = 1031  # CSS pixels between the statement's margins
_CUT = """[...document.querySelectorAll('table, svg, dl, h1, h2, p, li, .tag')].filter(one =>
    one.closest('.unseen') === null && one.getBoundingClientRect().right > innerWidth + 1).length"""


@pytest.fixture(scope="module")
def page() -> Iterator[chromium.Page]:
    with chromium.browser() as page:
        yield page


@pytest.fixture
def opened(page: chromium.Page, world: World, tmp_path: Path) -> chromium.Page:
    """The report of an eventful night."""
    run = replace(eventful(world.connection), complete=False, missing=HOSTILE)
    report.write(world.runtime, run, tmp_path / "2026-11-21" / "safe", "en")
    report.write_index(tmp_path, "en")
    page.requests.clear()
    page.complaints.clear()
    page.look()
    page.open(tmp_path / "2026-11-21" / "safe" / "report.html")
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_read_the_report(opened: chromium.Page, scheme: str, width: int) -> None:
    opened.look(scheme=scheme, width=width)
    assert opened.axe() == []
    assert opened.tell(_WIDTH) == width
    light = opened.tell("getComputedStyle(document.body).color")
    assert (light == "rgb(27, 36, 48)") == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_the_index(opened: chromium.Page, scheme: str, tmp_path: Path) -> None:
    opened.open(tmp_path / "index.html")
    opened.look(scheme=scheme, width=390)
    assert opened.axe() == []
    assert opened.tell(_WIDTH) == 390
    link = opened.tell("document.querySelector('td a').href")
    opened.open(Path(link.removeprefix("file://")))
    assert opened.tell("document.querySelectorAll('section').length") > 10


def test_axe_would_complain_about_a_page_that_is_hard_to_read(opened: chromium.Page) -> None:
    opened.tell("document.querySelector('.soft').style.color = '#ddd'; document.documentElement.lang = ''; 0")
    rules = {complaint.split(":")[0] for complaint in opened.axe()}
    assert rules >= {"color-contrast", "html-has-lang"}


def test_the_page_asks_for_nothing_and_runs_nothing(opened: chromium.Page) -> None:
    assert [address.rsplit("/", 1)[1] for address in opened.requests] == ["report.html"]
    assert opened.complaints == []
    assert opened.tell("document.title") == "safe, Nov 21, 2026: reconciliation"
    assert opened.tell("document.scripts.length + document.images.length") == 0
    assert HOSTILE in opened.tell("document.querySelector('main').innerText")


def test_even_text_that_got_in_unescaped_could_not_run_or_load_anything(opened: chromium.Page) -> None:
    text = "<img src=http://127.0.0.1:9/x.png onerror=&quot;document.title=1&quot;><iframe src=http://127.0.0.1:9/y>"
    opened.tell(f"document.body.insertAdjacentHTML('beforeend', '{text}'); 0")
    limit = time.monotonic() + 120
    while len([told for told in opened.complaints if "Content Security Policy" in told]) < 3:  # img, iframe, onerror
        assert time.monotonic() < limit, opened.complaints
        opened.tell("new Promise(done => setTimeout(done, 50))")
    assert opened.tell("document.title").startswith("safe")


def test_on_paper_it_is_black_on_white_and_nothing_is_cut_off(opened: chromium.Page) -> None:
    opened.look(scheme="dark", media="print", width=chromium.A4[0])
    assert opened.tell("getComputedStyle(document.body).backgroundColor") == _PAPER
    assert opened.tell("getComputedStyle(document.querySelector('.card:not(.verdict)')).backgroundColor") == _PAPER
    assert opened.tell(_WIDTH) == chromium.A4[0]
    wide = "[...document.querySelectorAll('table, svg, dl')].filter(one => one.closest('.unseen') === null &&"
    assert opened.tell(f"{wide} one.getBoundingClientRect().right > {chromium.A4[0] + 1}).length") == 0
    assert opened.tell("getComputedStyle(document.querySelector('nav')).display") == "none"
    opened.call("Emulation.clearDeviceMetricsOverride")
    opened.call("Emulation.setEmulatedMedia", media="", features=[])
    paper = opened.pdf()
    assert paper.startswith(b"%PDF-")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 10


def test_the_charts_show_what_the_tables_say(opened: chromium.Page) -> None:
    assert opened.tell("document.querySelectorAll('svg.day rect.f-succeeded').length") == 24
    rects = "[...document.querySelectorAll('svg.day rect.f-succeeded title')].map(one => one.textContent)"
    assert opened.tell(rects)[0].replace("\u202f", " ") == "12:00 AM: 40 paid"
    bars = "document.querySelectorAll('#agreement .tall rect').length"
    assert opened.tell(bars) == 4
    anchors = "[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.querySelector(a.hash)).length"
    assert opened.tell(anchors) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_quiet_day_can_be_read_too(page: chromium.Page, world: World, tmp_path: Path, scheme: str) -> None:
    night = ReportedNight(world.connection)
    night.pay(5)
    report.write(world.runtime, night.compared(), tmp_path, "mn")
    page.open(tmp_path / "report.html")
    page.look(scheme=scheme)
    assert page.axe() == []


@pytest.fixture
def told(world: World, tmp_path: Path) -> Path:
    """A folder for the pages of an eventful night of which somebody is in charge, commented, closed; signed twice."""
    database, run = world.runtime.database, eventful(world.connection)
    numbers = [row["id"] for row in world.rows("SELECT id FROM discrepancies WHERE resolved_at IS NULL ORDER BY id")]
    for number in numbers[:3]:
        discrepancies.assign(database, number, owner="Nino " + "Kapanadze" * 4, due=run.day, by="Gela")
        discrepancies.comment(database, number, text="asked the provider " + "again " * 60, by="Nino")
    discrepancies.close(database, numbers[0], reason="their fee", by="Nino")
    discrepancies.reopen(database, numbers[0], reason="it was another one", by="Gela")
    discrepancies.close(database, numbers[3], reason="next day", by="Nino")
    for role, by in ((Signed.PREPARED, "Nino"), (Signed.REVIEWED, "Gela")):
        sign(database, run.provider, run.day, role, by=by)
    world.execute("UPDATE reconciliations SET totals = jsonb_set(totals, '{0,local_minor}', '1')")
    sign(database, run.provider, run.day, Signed.PREPARED, by="Gela " + "Kapanadze" * 4)
    world.execute("UPDATE reconciliations SET totals = jsonb_set(totals, '{0,local_minor}', '2')")
    with database.transaction() as connection:
        living.tell(connection, run, "UTC")
    return tmp_path


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_can_be_read_everywhere(page: chromium.Page, world: World, told: Path, language: str) -> None:
    run = replace(reports_run(world), complete=False, missing=HOSTILE, unread=2, unreadable=3)
    report.write(world.runtime, run, told / "2026-11-21" / "safe", language=language)
    report.write_index(told, language=language)
    month = period.span("month", "2026-11")
    statement.write(
        world.runtime.database, world.runtime.registrations["safe"], month, told / "month", language=language
    )
    pages = (told / "2026-11-21" / "safe" / "report.html", told / "month" / "statement.html", told / "index.html")
    for path, paper in zip(pages, (chromium.A4[0], _LANDSCAPE, chromium.A4[0]), strict=True):
        page.look()
        page.open(path)
        assert page.tell("document.documentElement.lang") == language
        for scheme, width in (("light", 1280), ("dark", 390)):
            page.look(scheme=scheme, width=width)
            assert (path.name, page.axe()) == (path.name, [])
            assert (path.name, page.tell(_WIDTH)) == (path.name, width)
        page.look(media="print", width=paper)
        assert (path.name, page.tell(_WIDTH), page.tell(_CUT)) == (path.name, paper, 0)


def test_a_statement_on_paper_lies_on_its_side_and_holds_large_sums(
    page: chromium.Page, world: World, told: Path
) -> None:
    world.execute(
        """UPDATE reconciliations SET totals = (SELECT jsonb_agg(t || jsonb_build_object('local_minor', 123456789012345,
            'provider_minor', -123456789012345)) FROM jsonb_array_elements(totals) t)"""
    )
    month = period.span("month", "2026-11")
    statement.write(world.runtime.database, world.runtime.registrations["safe"], month, told, language="ru")
    page.open(told / "statement.html")
    page.look(media="print", width=_LANDSCAPE)
    assert (page.tell(_WIDTH), page.tell(_CUT)) == (_LANDSCAPE, 0)
    page.call("Emulation.clearDeviceMetricsOverride")
    page.call("Emulation.setEmulatedMedia", media="", features=[])
    assert re.search(rb"/MediaBox \[0 0 84\d(\.\d+)? 59\d", page.pdf())


def reports_run(world: World) -> Reconciliation:
    with world.runtime.database.connection() as connection:
        return runs.get(connection, world.value("SELECT id FROM reconciliations"))
