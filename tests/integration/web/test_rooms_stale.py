"""A page that is older than what it shows: nothing is decided that nobody saw."""

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import brake
from shared.database.engine import Connection, Database
from shared.domain.payment import State
from shared.domain.roles import Role
from shared.payments import quarantine
from shared.people import proposals
from shared.people.proposals import Kind
from tests.integration.test_cli_inbox import discrepancy, quarantined
from tests.support.door import Door, door, intent
from tests.support.room import inside, set_up
from tests.support.stored import add_payment

pytestmark = pytest.mark.only_large

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


def test_a_discrepancy_whose_figures_are_others_now_is_not_explained_by_what_was_shown(
    opened: Door, connection: Connection
) -> None:
    discrepancy(connection)
    bob = inside(opened.port, "Bob")
    form = {**bob.form("/discrepancies/1", "/discrepancies/1/close"), "code": "fee", "reason": "24.00 of fees"}
    connection.execute("UPDATE discrepancies SET provider_minor = 2500000000000000000")  # by a night
    answer = bob.ask("POST", "/discrepancies/1/close", form)
    assert (answer.status, b"are others now" in answer.body) == (409, True), answer.body
    assert connection.execute("SELECT FROM discrepancies WHERE resolved_at IS NULL").rowcount == 1
    assert bob.send("/discrepancies/1", "/discrepancies/1/close", code="fee", reason=WHY).status == 303


def test_a_lane_that_stands_still_for_another_reason_now_is_not_resumed(
    opened: Door, connection: Connection, database_url: str
) -> None:
    connection.execute("UPDATE lanes SET halted_at = clock(), halted_reason = 'made up' WHERE provider = 'mtn'")
    ann = inside(opened.port, "Ann")
    form = ann.form("/lanes", "/lanes/mtn/resume")
    database = Database(database_url, pool_size=1)
    assert brake.pause(database, "mtn", by="Bob", reason="their books are wrong")
    database.dispose()
    assert ann.ask("POST", "/lanes/mtn/resume", {**form, "reason": WHY}).status == 409
    row = connection.execute("SELECT paused_by FROM lanes WHERE provider = 'mtn'").fetchone()
    assert row == {"paused_by": "Bob"}
    assert ann.send("/lanes", "/lanes/mtn/resume", reason=WHY).status == 303


def test_a_viewer_is_told_nothing_of_a_customer_by_the_inbox_a_proposal_or_a_search(
    opened: Door, connection: Connection
) -> None:
    connection.execute("UPDATE payments SET detail = 'the account 00700001 of a made-up person' WHERE intent_id = 'p1'")
    assert opened.client("shop").submit(intent("ord-1")).status == 202
    ann, eve = inside(opened.port, "Ann"), inside(opened.port, "Eve")
    for page in ("/inbox", PARKED):
        assert "made-up person" in ann.get(page)
        assert "made-up person" not in eve.get(page), page
    for word in ("00700001", "0070", "0001"):
        assert ann.ask("GET", f"/search?q={word}").status == 303, word
        assert "No payment was found" in eve.get(f"/search?q={word}"), "a mask that a search takes off is none"
    form = {"answer": "refused", "reason": WHY, "line": ""}
    ann.send(PARKED, f"{PARKED}/resolve", **form, although="")
    assert ann.send(PARKED, f"{PARKED}/resolve", **form, although="the biller said so").status == 303
    connection.execute("SET session_replication_role = replica")
    connection.execute("""UPDATE proposals SET seen = jsonb_set(seen::jsonb, '{books,detail}', '"00700001 of her"')""")
    connection.execute("SET session_replication_role = origin")
    assert "00700001 of her" in ann.get("/proposals/1")
    assert "00700001 of her" not in eve.get("/proposals/1")


def test_addresses_and_headers_that_are_none_are_no_mistake_of_ours(opened: Door) -> None:
    ann = inside(opened.port, "Ann")
    for path in ("/payments/a%00/b", "/accounts?service=%00", "/inbox?skip=%C2%B2", "/quarantine?after=%C2%B2"):
        assert ann.ask("GET", path).status in (200, 404), path
    connection = http.client.HTTPConnection("127.0.0.1", opened.port, timeout=60)
    connection.request("GET", "/login", headers={"Host": "["})
    assert connection.getresponse().status < 500
    connection.close()


def test_a_link_on_another_page_logs_nobody_out(opened: Door) -> None:
    ann = inside(opened.port, "Ann")
    kept = dict(ann.cookies)
    ann.cookies = {"of-another-program": "1"}  # what a browser sends of a strict cookie then: nothing
    answer = ann.ask("GET", "/")
    assert (answer.status, "set-cookie" in answer.headers) == (303, False)
    ann.cookies = kept
    assert "Log out" in ann.get("/")


def test_a_payment_that_was_sent_again_since_is_not_decided_by_what_was_shown_before(
    opened: Door, connection: Connection
) -> None:
    ann = inside(opened.port, "Ann")
    words = {"answer": "refused", "reason": WHY, "although": "the biller said so", "line": ""}
    form = ann.form(PARKED, f"{PARKED}/resolve") | words
    connection.execute("SET session_replication_role = replica")
    connection.execute("UPDATE payments SET attempts = attempts + 1 WHERE intent_id = 'p1'")
    connection.execute("SET session_replication_role = origin")
    answer = ann.ask("POST", f"{PARKED}/resolve", form)
    assert (answer.status, b"sent again since" in answer.body) == (409, True), answer.body
    assert connection.execute("SELECT FROM proposals").rowcount == 0


def test_whoever_approves_many_sees_each_with_its_line_and_what_they_come_to(
    opened: Door, connection: Connection
) -> None:
    items = [{"source": "shop", "intent_id": "p1", "line": "made-up-line-1"}]
    asked = {"provider": "billcenter", "answer": "succeeded", "items": items, "sums": {"MNT": 10_000}}
    seen = {"shop/p1": {"attempts": 1, "books": {"verdict": "inconclusive", "detail": "made up", "lines": []}}}
    with connection.transaction():
        proposals.propose(connection, Kind.BULK, "billcenter", asked=asked, seen=seen, reason=WHY, by="Ann")
    bob, eve = inside(opened.port, "Bob"), inside(opened.port, "Eve")
    for word in ("shop/p1", "made-up-line-1", "inconclusive", "100.00 MNT"):
        assert word in bob.get("/proposals/1"), word
    assert "made-up-line-1" not in eve.get("/proposals/1")


def test_whoever_approves_many_is_told_which_could_not_be_decided(opened: Door, connection: Connection) -> None:
    items = [{"source": "shop", "intent_id": "p1", "provider": "billcenter"}]
    asked = {"answer": "resend", "which": "provider billcenter", "items": items, "sums": {"MNT": 10_000}}
    seen = {"shop/p1": {"attempts": 1, "books": {"verdict": "not_applied", "detail": "made up", "lines": []}}}
    with connection.transaction():
        proposals.propose(connection, Kind.MANY, "billcenter", asked=asked, seen=seen, reason=WHY, by="Ann")
    bob = inside(opened.port, "Bob")
    for word in ("shop/p1", "not applied", '1, <span class="given">100.00 MNT', "provider billcenter"):
        assert word in bob.get("/proposals/1"), word
    answer = bob.ask("POST", "/proposals/1/approve", bob.form("/proposals/1", "/proposals/1/approve"))
    said = answer.body.decode()
    assert (answer.status, "0 of 1 payment decided. Not decided: shop/p1 nobody could look" in said) == (409, True), (
        said
    )
    assert "Approve" in bob.get("/proposals/1"), "it stays proposed"
