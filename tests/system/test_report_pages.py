"""The pages in a real Chromium: light, dark, on a phone and on paper; readable for everybody, asking for nothing."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.reconciliation import report
from tests.support import chromium
from tests.support.flow import World
from tests.support.reconciled import HOSTILE, ReportedNight, eventful

_PAPER = "rgb(255, 255, 255)"
_WIDTH = "document.documentElement.scrollWidth"


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
