"""Many parked payments decided from a page: shown first, done as shown, by two people, and paid once.

The sandbox's ledger is the witness.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain.roles import Role
from tests.integration.test_many import parked, patient, work_on  # noqa: F401 - fixtures
from tests.integration.test_resolve_books import Office, environment, office, weather  # noqa: F401 - fixtures
from tests.support.door import Door, door, set_here
from tests.support.room import Browser, inside, set_up

pytestmark = pytest.mark.only_large

PAGE = "/inbox/many"
PEOPLE = {"Bob": Role.APPROVER, "Ann": Role.OPERATOR, "Eve": Role.VIEWER}
RESEND = {"provider": "mtn", "answer": "resend", "least": "15"}


@pytest.fixture
def opened(parked: list[str], database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Door]:  # noqa: F811
    """A room whose looks go to the sandbox."""
    set_up(database_url, PEOPLE)
    with door(database_url, broker_url, tmp_path, **set_here()) as found:
        yield found


def looked(browser: Browser, **chosen: str) -> tuple[str, dict[str, str]]:
    """The page that shows what it would come to, and the form that does it."""
    form = {**browser.form(PAGE, f"{PAGE}/look"), **RESEND, **chosen}
    page = browser.ask("POST", f"{PAGE}/look", form).body.decode()
    (decide,) = re.findall(rf'<form[^>]* action="{PAGE}/decide".*?</form>', page, re.DOTALL)
    return page, dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', decide))


def test_what_was_shown_is_proposed_and_done_by_another_person(opened: Door, office: Office) -> None:  # noqa: F811
    ann, bob = inside(opened.port, "Ann"), inside(opened.port, "Bob")
    page, form = looked(ann)
    assert "shop/lost-20.00" in page
    assert "shop/lost-30.00" in page
    assert "shop/lost-10.00" not in page, "it is less than was asked for"
    answer = ann.ask("POST", f"{PAGE}/decide", {**form, "reason": "their gateway was down"})
    assert (answer.status, b"It is proposed" in answer.body) == (200, True), answer.body
    assert ann.ask("POST", f"{PAGE}/decide", {**form, "reason": "their gateway was down"}).status == 409
    assert office.applied("mtn") == ["1.00"]
    assert bob.send("/proposals/1", "/proposals/1/approve").status == 303
    work_on(office)
    assert sorted(office.applied("mtn")) == ["1.00", "20.00", "30.00"]
    assert office.state("lost-10.00") == "parked"


def test_what_comes_to_anything_else_since_is_not_done(opened: Door, office: Office) -> None:  # noqa: F811
    ann = inside(opened.port, "Ann")
    _, form = looked(ann)
    office.sql("UPDATE payments SET state = 'refused', finished_at = clock() WHERE intent_id = 'lost-20.00'")
    answer = ann.ask("POST", f"{PAGE}/decide", {**form, "reason": "their gateway was down"})
    assert (answer.status, b"any more" in answer.body) == (409, True)
    assert office.sql("SELECT FROM proposals") == []


def test_what_is_no_filter_and_who_may_not_are_refused(opened: Door, office: Office) -> None:  # noqa: F811
    ann, eve = inside(opened.port, "Ann"), inside(opened.port, "Eve")
    form = ann.form(PAGE, f"{PAGE}/look")
    for wrong, status in (
        ({"provider": "nobody"}, 404),
        ({"answer": "succeeded"}, 422),
        ({"hours": "-1"}, 422),
        ({"least": "1e9"}, 422),
        ({"code": "no_such"}, 422),
    ):
        assert ann.ask("POST", f"{PAGE}/look", {**form, **RESEND, **wrong}).status == status, wrong
    assert f'action="{PAGE}/look"' not in eve.get(PAGE)
    for deed in ("look", "decide"):
        fields = {**eve.form("/", "/logout"), **RESEND, "reason": "x", "shown": "x", "once": "x" * 20}
        assert eve.ask("POST", f"{PAGE}/{deed}", fields).status == 403
    assert office.sql("SELECT FROM proposals") == []


def test_by_its_line_nothing_is_decided_that_has_none(opened: Door, office: Office) -> None:  # noqa: F811
    ann = inside(opened.port, "Ann")
    form = {**ann.form(PAGE, f"{PAGE}/look"), **RESEND, "answer": "paired"}
    page = ann.ask("POST", f"{PAGE}/look", form).body.decode()
    assert "No parked payment can be decided so." in page
    assert "left out" in page
    answer = ann.ask("POST", f"{PAGE}/decide", {**form, "reason": "their gateway was down", "shown": "x"})
    assert answer.status == 409
    assert office.applied("mtn") == ["1.00"]
