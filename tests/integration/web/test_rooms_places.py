"""Decisions that look outside: a place that hangs keeps nobody from another, and who left meanwhile decides nothing."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.database.engine import Connection, Database
from shared.domain.payment import State
from shared.domain.roles import Role
from shared.people import change
from tests.integration.web.test_rooms_decisions import PARKED, WHY, state
from tests.support.by_itself import LANE
from tests.support.door import Answer, Door, door, within
from tests.support.raw_server import Connection as Call
from tests.support.raw_server import RawServer, raw_server
from tests.support.room import Browser, inside, set_up
from tests.support.stored import add_payment
from worker.web.rooms.room import LOOKS

pytestmark = pytest.mark.only_large

PEOPLE = {"Bob": Role.APPROVER, "Ann": Role.OPERATOR}


class Hanging:
    """A provider that answers nothing until it is let go, and then with the end of the connection."""

    def __init__(self) -> None:
        self.asked, self.let_go = threading.Semaphore(0), threading.Event()

    def script(self, call: Call) -> None:
        call.request()
        self.asked.release()
        self.let_go.wait(120)

    def is_asked(self, times: int) -> None:
        for _ in range(times):
            assert self.asked.acquire(timeout=60), "it is asked"


@pytest.fixture
def hanging() -> Iterator[tuple[Hanging, RawServer]]:
    made = Hanging()
    with raw_server(made.script) as server:
        yield made, server
        made.let_go.set()


@pytest.fixture
def opened(
    hanging: tuple[Hanging, RawServer], database_url: str, broker_url: str, tmp_path: Path, connection: Connection
) -> Iterator[Door]:
    """ubill hangs, mtn is away; p1 to p4 are ubill's, p5 is mtn's."""
    set_up(database_url, PEOPLE)
    targets = {f"p{number}": ("ubill", '{"account_id": 170114}') for number in range(1, 5)}
    targets["p5"] = ("mtn", '{"id_type": "Account Number", "id": "00700001", "customer_type": 2}')
    for name in targets:
        add_payment(connection, name, State.PARKED)
    connection.execute("SET session_replication_role = replica")
    for name, target in targets.items():
        connection.execute("UPDATE payments SET provider = %s, target = %s WHERE intent_id = %s", (*target, name))
    connection.execute("SET session_replication_role = origin")
    given = {"UBILL__BASE_URL": f"{hanging[1].url}/v1", "UBILL__API_KEY": "made-up", "UBILL__BRAND_ID": "1", **LANE}
    with door(database_url, broker_url, tmp_path, **given) as found:
        yield found


def looked(browser: Browser, number: int) -> Answer:
    return browser.send(f"/payments/shop/p{number}", f"/payments/shop/p{number}/look")


@contextmanager
def under_way(*calls: "Future[Answer]") -> Iterator[None]:
    """What stands in the block happens before any of these is answered."""
    yield
    assert not any(call.done() for call in calls)


def test_a_provider_that_hangs_keeps_nobody_from_anothers_payments(
    opened: Door, hanging: tuple[Hanging, RawServer]
) -> None:
    ann, provider = inside(opened.port, "Ann"), hanging[0]
    with ThreadPoolExecutor(LOOKS) as pool:
        calls = [pool.submit(looked, ann, number) for number in range(1, 1 + LOOKS)]
        provider.is_asked(LOOKS)
        with under_way(*calls):
            assert looked(ann, 5).status == 200
            assert ann.ask("POST", "/payments/shop/p4/look", {}, Cookie="").status == 303, (
                "who is not in takes no thread"
            )
        provider.let_go.set()
        assert {call.result().status for call in calls} == {200}


@pytest.mark.parametrize("leaves", ["revoked", "logged out"])
def test_who_left_while_the_books_were_looked_at_decides_nothing(
    opened: Door, hanging: tuple[Hanging, RawServer], connection: Connection, database_url: str, leaves: str
) -> None:
    ann, provider = inside(opened.port, "Ann"), hanging[0]
    fields = {"answer": "refused", "reason": WHY, "although": "the biller said so", "line": ""}
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ann.send, PARKED, f"{PARKED}/resolve", **fields)
        provider.is_asked(1)
        if leaves == "revoked":
            revoke(database_url, "Ann")
        else:
            connection.execute("DELETE FROM people_sessions WHERE name = 'Ann'")
        provider.let_go.set()
        answer = call.result()
    assert (answer.status, b"your log-in ended" in answer.body.lower()) == (409, True), answer.body
    assert state(connection) == "parked"
    assert connection.execute("SELECT count(*) AS n FROM proposals").fetchone() == {"n": 0}
    assert connection.execute("SELECT count(*) AS n FROM people_forms").fetchone() == {"n": 0}


def revoke(database_url: str, name: str) -> None:
    database = Database(database_url, pool_size=1)
    try:
        with database.transaction() as connection:
            change.revoke(connection, name, by="Bob")
    finally:
        database.dispose()


def test_new_credentials_are_taken_up_when_they_are_read_anew(opened: Door) -> None:
    opened.one.process.send_signal(signal.SIGHUP)
    within(30, lambda: "the settings were read anew" in opened.one.log.read_text())
