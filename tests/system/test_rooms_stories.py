"""What people do in the control room, in a real Chromium: fifteen parked payments decided by two, a changed account
confirmed, a lane that was halted resumed, a month closed, and log-in at a company's own provider."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.database.engine import Connection
from shared.domain.roles import Role
from tests.integration.test_pairs import lost, patient  # noqa: F401 - a fixture
from tests.integration.test_resolve_books import (  # noqa: F401 - fixtures
    Office,
    environment,
    office,
)
from tests.integration.web import test_rooms_oidc as oidc
from tests.integration.web.test_rooms_oidc import issuer  # noqa: F401 - a fixture
from tests.support import chromium
from tests.support.door import Door, door, set_here
from tests.support.furnished import furnish
from tests.support.room import set_up
from tests.system.test_rooms_pages import click, connection, fill, log_in, page, url  # noqa: F401 - fixtures

PEOPLE = {"Bob": Role.APPROVER, "Ann": Role.OPERATOR, "Dan": Role.ACCOUNTANT, "Nino": Role.ACCOUNTANT}
MANY = "/inbox/many"


@pytest.fixture
def opened(database_url: str, broker_url: str, tmp_path: Path, connection: Connection) -> Iterator[Door]:  # noqa: F811
    set_up(database_url, PEOPLE)
    with door(database_url, broker_url, tmp_path) as found:
        furnish(connection)
        yield found


@pytest.fixture
def parked(office: Office, monkeypatch: pytest.MonkeyPatch) -> list[str]:  # noqa: F811
    """Fifteen payments that mtn applied, dropped the references of, and did not answer."""
    names = lost(office)
    monkeypatch.setenv("SETTLEPIPE_HTTP__TOTAL_TIMEOUT_S", "30")  # of whoever looks from a page
    return names


def said(page: chromium.Page) -> str:  # noqa: F811
    return str(page.tell("document.querySelector('[role=status]').textContent"))


@pytest.fixture
def beside(parked: list[str], database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Door]:
    """A room whose looks go to the sandbox, where fifteen are parked."""
    assert len(parked) == 15
    set_up(database_url, PEOPLE)
    with door(database_url, broker_url, tmp_path, **set_here()) as found:
        yield found


@pytest.mark.usefixtures("patient")
def test_fifteen_parked_payments_are_decided_by_two_people(
    page: chromium.Page,  # noqa: F811
    parked: list[str],
    office: Office,  # noqa: F811
    beside: Door,
) -> None:
    applied = office.applied("mtn")
    assert {office.state(name) for name in parked} == {"parked"}
    log_in(page, beside, "Ann")
    page.go(url(beside, "/inbox"))
    page.loads(lambda: click(page, f'a[href="{MANY}"]'))
    fill(page, {"provider": "mtn"})
    click(page, "#a-paired")
    page.loads(lambda: click(page, f'form[action="{MANY}/look"] button'))
    assert page.tell("document.querySelectorAll('tbody tr').length") == 15
    assert page.axe() == []
    fill(page, {"reason": "their list shows them"})
    page.loads(lambda: click(page, f'form[action="{MANY}/decide"] button'))
    assert {office.state(name) for name in parked} == {"parked"}
    log_in(page, beside, "Bob")
    page.go(url(beside, "/proposals/1"))
    page.loads(lambda: click(page, 'form[action$="/approve"] button'))
    assert "It is approved" in said(page)
    assert {office.state(name) for name in parked} == {"succeeded"}
    office.later(1000)
    office.work("mtn")
    assert office.applied("mtn") == applied


def test_a_changed_account_is_confirmed_by_two_people(
    page: chromium.Page,  # noqa: F811
    opened: Door,
    connection: Connection,  # noqa: F811
) -> None:
    waits = "SELECT count(*) AS n FROM bank_accounts WHERE account = '00012345' AND confirmed_at IS NULL"
    log_in(page, opened, "Ann")
    page.go(url(opened, "/accounts"))
    page.loads(lambda: click(page, 'form[action="/accounts/confirm"] button'))
    assert "It is proposed" in said(page)
    assert connection.execute(waits).fetchone() == {"n": 1}
    log_in(page, opened, "Bob")
    page.go(url(opened, "/proposals/1"))
    page.loads(lambda: click(page, 'form[action$="/approve"] button'))
    assert "It is approved" in said(page)
    assert connection.execute(waits).fetchone() == {"n": 0}


def test_a_lane_that_was_halted_is_resumed(
    page: chromium.Page,  # noqa: F811
    opened: Door,
    connection: Connection,  # noqa: F811
) -> None:
    connection.execute("UPDATE lanes SET halted_at = clock(), halted_reason = 'a made-up 403' WHERE provider = 'mtn'")
    log_in(page, opened, "Ann")
    page.go(url(opened, "/"))
    assert "a made-up 403" in page.tell("document.getElementById('live').textContent")
    page.go(url(opened, "/lanes"))
    fill(page, {"why-mtn": "they mended our key"})
    page.loads(lambda: click(page, 'form[action="/lanes/mtn/resume"] button'))
    assert "The lane is resumed" in said(page)
    row = connection.execute("SELECT by_whom FROM audit WHERE action = 'lane.resumed'").fetchone()
    assert row == {"by_whom": "Ann"}


def test_a_month_is_closed_by_two_accountants(
    page: chromium.Page,  # noqa: F811
    opened: Door,
) -> None:
    for name, button in (("Dan", "Sign as prepared"), ("Nino", "Sign as reviewed")):
        log_in(page, opened, name)
        page.go(url(opened, "/days/mtn/2026-11-21"))
        assert page.tell("document.querySelector('form[action$=\"/sign\"] button').textContent") == button
        page.loads(lambda: click(page, 'form[action$="/sign"] button'))
        assert "The day is signed" in said(page)
    page.go(url(opened, "/statements/made?period=2026-11&provider=mtn&form=page&language=en"))
    assert "2026-11" in page.tell("document.title")
    assert page.axe() == []


def test_a_person_comes_in_by_the_companys_own_provider(
    page: chromium.Page,  # noqa: F811
    database_url: str,
    broker_url: str,
    tmp_path: Path,
    issuer: str,  # noqa: F811
) -> None:
    with oidc.opened_for(database_url, broker_url, tmp_path, issuer) as found:
        page.call("Network.clearBrowserCookies")
        page.go(url(found, "/login"))
        page.loads(lambda: click(page, 'a[href="/login/oidc"]'))
        assert page.tell("location.origin") == issuer
        page.tell("document.querySelector('input[name=sub]').value = 'bob@example.com'; 0")
        page.loads(lambda: click(page, "form button[type=submit], form input[type=submit], form button"))
        page.go(url(found, "/"))
        assert "bob@example.com" in page.tell("document.body.textContent")
