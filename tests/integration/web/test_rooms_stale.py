"""A page that is older than what it shows: nothing is decided that nobody saw."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.database.engine import Connection
from shared.domain.payment import State
from shared.domain.roles import Role
from shared.payments import quarantine
from tests.integration.test_cli_inbox import quarantined
from tests.support.door import Door, door
from tests.support.room import inside, set_up
from tests.support.stored import add_payment

PEOPLE = {"Bob": Role.APPROVER, "Ann": Role.OPERATOR, "Eve": Role.VIEWER}
PARKED = "/payments/shop/p1"
WHY = "asked at the biller"


@pytest.fixture
def opened(database_url: str, broker_url: str, tmp_path: Path, connection: Connection) -> Iterator[Door]:
    set_up(database_url, PEOPLE)
    add_payment(connection, "p1", State.PARKED)
    with door(database_url, broker_url, tmp_path) as found:
        yield found


def test_a_form_whose_deed_was_refused_is_not_told_as_done(opened: Door, connection: Connection) -> None:
    ann = inside(opened.port, "Ann")
    form = {**ann.form(PARKED, f"{PARKED}/resolve"), "answer": "refused", "reason": WHY, "although": "", "line": ""}
    assert ann.ask("POST", f"{PARKED}/resolve", form).status == 409
    again = ann.ask("POST", f"{PARKED}/resolve", {**form, "although": "the biller said so"})  # by the browser's Back
    assert again.status == 409
    assert b"is done" not in again.body
    assert connection.execute("SELECT FROM proposals").rowcount == 0


def test_what_somebody_dismissed_since_is_not_put_on_the_queue(opened: Door, connection: Connection) -> None:
    quarantined(connection)
    connection.execute("UPDATE quarantine SET stream = 'settlepipe:intake'")
    ann = inside(opened.port, "Ann")
    form = ann.form("/quarantine/1", "/quarantine/1/replay")
    assert quarantine.dismiss(connection, 1, reason="paid back by hand", by="Bob")
    answer = ann.ask("POST", "/quarantine/1/replay", form)
    assert (answer.status, b"dismissed" in answer.body) == (409, True), answer.body
    assert connection.execute("SELECT FROM quarantine WHERE replayed_at IS NOT NULL").rowcount == 0
    assert ann.send("/quarantine/1", "/quarantine/1/replay").status == 303, "who sees that it was dismissed may"
