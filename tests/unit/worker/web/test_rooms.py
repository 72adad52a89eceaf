"""The control room's pages: what is vendored, masked, drawn; and where a form may come from."""

import hashlib
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.requests import Request

from shared.metrics.read import Hour
from worker.web.rooms import charts, drawing, guard
from worker.web.rooms.gathering import Gathered
from worker.web.rooms.table import PAGES


def test_what_is_vendored_is_what_its_page_says() -> None:
    text = (drawing.HERE / "static" / "README.md").read_text()
    assert hashlib.sha256(drawing.static("htmx.min.js")).hexdigest() in text


def test_templates_have_no_script_no_style_and_no_handler_in_them_and_ask_nobody_else() -> None:
    for path in (drawing.HERE / "templates").glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?! src=\"\{\{ static)|<style|\son\w+=|\sstyle=|javascript:|https?://", text), (
            path
        )
        assert "| safe" not in text, path


def test_every_form_that_is_sent_bears_the_tokens() -> None:
    for path in (drawing.HERE / "templates").glob("*.html"):
        for form in re.findall(r'<form[^>]* method="post".*?</form>', path.read_text(), re.DOTALL):
            if re.search(r'action="/(?:login(?:/begin)?|language)"', form):
                continue  # open to everybody: a form of this site is enough
            tokens = ("parts.hidden(who)", "named(row)") if "/logout" not in form else ('name="form"',)
            assert any(one in form for one in tokens), (path, form)


def test_each_page_that_does_something_says_for_which_deed() -> None:
    free = {page.path for page in PAGES if page.method == "POST" and page.deed is None}
    assert free == {"/login", "/login/begin", "/logout", "/language"}
    assert {page.path for page in PAGES if page.open} == {
        "/login",
        "/login/begin",
        "/login/oidc",
        "/login/callback",
        "/language",
        "/static/{name}",
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("00700001", "••••01"),
        ("1234", "••••"),
        (45632145, "••••45"),
        (
            {"id": "00700001", "nested": ["995500000001", None, True]},
            {"id": "••••01", "nested": ["••••01", None, True]},
        ),
    ],
)
def test_what_is_masked_tells_two_characters_at_most(value: Any, shown: Any) -> None:
    assert drawing.masked(value) == shown


def asked(**headers: str) -> Request:
    given = {"host": "room.example:8460", **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw})


@pytest.mark.parametrize(
    ("headers", "elsewhere"),
    [
        ({"origin": "http://room.example:8460", "sec_fetch_site": "same-origin"}, False),
        ({"origin": "https://room.example:8460"}, False),
        ({"sec_fetch_site": "same-origin"}, False),
        ({}, True),
        ({"origin": "null", "sec_fetch_site": "same-origin"}, True),
        ({"origin": "http://room.example:8460", "sec_fetch_site": "cross-site"}, True),
        ({"origin": "http://room.example:8460", "sec_fetch_site": "none"}, True),
        ({"origin": "http://room.example"}, True),
        ({"origin": "http://room.example:8460@evil.example"}, True),
        ({"origin": "http://[bad"}, True),
        ({"origin": "http://room.example:8460.evil.example"}, True),
    ],
)
def test_a_form_comes_from_here_or_is_not_read(headers: dict[str, str], elsewhere: bool) -> None:
    assert guard.from_elsewhere(asked(**headers)) is elsewhere


def test_the_bars_of_a_day_stand_on_the_ground_and_below_the_top() -> None:
    begins = datetime(2026, 11, 21, tzinfo=UTC)
    hours = [(begins + timedelta(hours=n), Hour(accepted=n, succeeded=3 * n, refused=1)) for n in range(23)]
    drawn = charts.outcomes([*hours, (begins + timedelta(hours=23), None)])
    assert drawn.most == 100
    assert [count for _, count in drawn.ticks] == [0, 50, 100]
    for bar in drawn.bars:
        assert charts.LEFT <= bar.x < bar.x + bar.width <= charts.WIDTH
        assert sum(rect.height for rect in bar.rects) <= charts.BASE
    assert not drawn.bars[23].rects
    assert charts.accepted([]).most == 2


def test_who_looks_waits_for_the_first_look_alone_and_many_look_once() -> None:
    looks: list[float] = []

    def look() -> int:
        looks.append(time.monotonic())
        return len(looks)

    now = [0.0]
    gathered = Gathered(look, clock=lambda: now[0])
    assert {gathered.get() for _ in range(10)} == {1}
    now[0] = 100.0
    end = time.monotonic() + 30
    while gathered.get() == 1:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert len(looks) == 2


def test_a_look_that_failed_leaves_what_was_found_before() -> None:
    answers: list[Any] = [7, OSError("away"), OSError("away")]

    def look() -> int:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return int(found)

    now = [0.0]
    gathered = Gathered(look, clock=lambda: now[0])
    assert gathered.get() == 7
    now[0] = 100.0
    gathered.get()
    end = time.monotonic() + 30
    while len(answers) > 1:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert gathered.get() == 7
