"""The control room in a real Chromium: log-in, what stands now, a decision by two people, and every page readable for
everybody, light, dark and on a phone."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.database.engine import Connection, Database
from shared.domain.discrepancies import Reconciliation, Signed
from shared.domain.roles import Role
from shared.reconciliation.sign import sign
from tests.support import chromium
from tests.support.door import Door, door
from tests.support.furnished import PAGES, PARKED, furnish
from tests.support.room import PASSWORD, set_up

PEOPLE = {"Bob": Role.APPROVER, "Ann": Role.OPERATOR, "Eve": Role.VIEWER, "Dan": Role.ACCOUNTANT}
_WIDTH = "document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def page() -> Iterator[chromium.Page]:
    with chromium.browser() as page:
        yield page


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    pool = Database(database_url, pool_size=1)
    with pool.connection() as one:
        yield one
    pool.dispose()


@pytest.fixture
def opened(
    database_url: str, broker_url: str, tmp_path: Path, connection: Connection, page: chromium.Page
) -> Iterator[Door]:
    """A room with something on every page."""
    set_up(database_url, PEOPLE)
    with door(database_url, broker_url, tmp_path) as found:
        _signed_and_changed(database_url, connection, furnish(connection))
        page.call("Network.clearBrowserCookies")
        page.look()
        page.requests.clear()
        page.complaints.clear()
        yield found


def _signed_and_changed(database_url: str, connection: Connection, run: Reconciliation) -> None:
    """Two signed the day, and it changed since."""
    pool = Database(database_url, pool_size=1)
    for role, by in ((Signed.PREPARED, "Nino " + "Kapanadze" * 4), (Signed.REVIEWED, "Gela")):
        sign(pool, run.provider, run.day, role, by=by)
    pool.dispose()
    connection.execute("UPDATE reconciliations SET totals = jsonb_set(totals, '{0,local_minor}', '1')")


def url(found: Door, path: str) -> str:
    return f"http://127.0.0.1:{found.port}{path}"


def log_in(page: chromium.Page, found: Door, name: str) -> None:
    page.call("Network.clearBrowserCookies")
    page.go(url(found, "/"))
    fill(page, {"name": name, "password": PASSWORD})
    page.loads(lambda: click(page, "form.fields button"))
    assert page.tell("location.pathname") == "/"


def fill(page: chromium.Page, fields: dict[str, str]) -> None:
    for name, value in fields.items():
        page.tell(f"document.getElementById({json.dumps(name)}).value = {json.dumps(value)}; 0")


def click(page: chromium.Page, selector: str) -> None:
    page.tell(f"document.querySelector({json.dumps(selector)}).click(); 0")


def test_two_people_decide(page: chromium.Page, opened: Door, connection: Connection) -> None:
    log_in(page, opened, "Ann")
    page.go(url(opened, "/inbox"))
    page.loads(lambda: click(page, f'a[href="{PARKED}"]'))
    click(page, "#a-succeeded")
    fill(page, {"reason": "asked at the biller"})
    page.loads(lambda: click(page, 'form[action$="/resolve"] button'))
    assert "It is proposed" in page.tell("document.querySelector('[role=status]').textContent")
    page.loads(lambda: click(page, ".out button"))
    assert page.tell("location.pathname") == "/login"
    log_in(page, opened, "Bob")
    page.go(url(opened, "/proposals"))
    page.loads(lambda: click(page, "tbody a"))
    page.loads(lambda: click(page, 'form[action$="/approve"] button'))
    assert "It is approved" in page.tell("document.querySelector('[role=status]').textContent")
    row = connection.execute("SELECT state FROM payments WHERE intent_id = 'p1'").fetchone()
    assert row == {"state": "succeeded"}
    assert page.complaints == []


def test_what_stands_now_changes_by_itself(page: chromium.Page, opened: Door, connection: Connection) -> None:
    log_in(page, opened, "Eve")
    connection.execute("UPDATE lanes SET paused_at = clock(), paused_by = 'Ann' WHERE provider = 'mtn'")
    limit = time.monotonic() + 120
    while "by Ann" not in page.tell("document.getElementById('live').textContent"):
        assert time.monotonic() < limit
        time.sleep(0.2)
    assert page.loaded > 0
    assert page.complaints == []
    assert all(one.startswith(url(opened, "/")) for one in page.requests if not one.startswith(("about:", "data:")))


@pytest.mark.parametrize("name", ["Bob", "Eve", "Dan"])
def test_everybody_can_read_every_page(page: chromium.Page, opened: Door, name: str) -> None:
    page.go(url(opened, "/login"))
    for scheme, width in (("light", 1280), ("dark", 390)):
        page.look(scheme=scheme, width=width)
        assert (scheme, page.axe()) == (scheme, [])
    log_in(page, opened, "Bob")
    page.go(url(opened, PARKED))
    click(page, "#a-succeeded")
    fill(page, {"reason": "asked at the biller"})
    page.loads(lambda: click(page, 'form[action$="/resolve"] button'))
    log_in(page, opened, name)
    for path in PAGES:
        page.go(url(opened, path))
        for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)):
            page.look(scheme=scheme, width=width)
            assert (path, scheme, width, page.axe()) == (path, scheme, width, [])
            assert (path, page.tell(_WIDTH)) == (path, width)
            assert page.tell("document.querySelectorAll('h1').length") == 1, path
    told = [one for one in page.complaints if "404" not in one]
    assert told == []


@pytest.mark.parametrize("language", ["ka", "mn", "ru"])  # the longest words, in letters of their own
def test_a_page_in_long_words_fits_on_a_phone(page: chromium.Page, opened: Door, language: str) -> None:
    page.look(width=390)
    log_in(page, opened, "Bob")
    click(page, ".tongue summary")
    assert (page.axe(), page.tell(_WIDTH)) == ([], 390)
    page.loads(lambda: click(page, f'.tongue button[value="{language}"]'))
    for path in ("/login", *PAGES):
        page.go(url(opened, path))
        assert page.tell("document.documentElement.lang") == language
        assert (path, page.tell(_WIDTH)) == (path, 390)
    page.go(url(opened, PARKED))
    assert page.axe() == []


def test_a_script_that_got_into_a_page_would_not_run(page: chromium.Page, opened: Door) -> None:
    log_in(page, opened, "Bob")
    page.tell("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"document.title=1\">'); 0")
    limit = time.monotonic() + 60
    while not [told for told in page.complaints if "Content Security Policy" in told]:
        assert time.monotonic() < limit, page.complaints
        page.tell("new Promise(done => setTimeout(done, 50))")
    assert page.tell("document.title").startswith("Now")
