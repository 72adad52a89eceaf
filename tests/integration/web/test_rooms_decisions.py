"""What is decided in the control room: by two people where that is the rule, once, and as by command."""

import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared import audit
from shared.database.engine import Connection
from shared.domain.payment import State
from shared.domain.roles import Role
from tests.integration.test_cli_inbox import account, discrepancy, quarantined
from tests.support.by_itself import KEY
from tests.support.door import Door, door, within
from tests.support.reconciled import ReportedNight
from tests.support.room import Browser, inside, set_up
from tests.support.stored import add_payment

PEOPLE = {"Bob": Role.APPROVER, "Cat": Role.APPROVER, "Ann": Role.OPERATOR, "Eve": Role.VIEWER, "Dan": Role.ACCOUNTANT}
PARKED = "/payments/shop/p1"
WHY = "asked at the biller"


@pytest.fixture
def opened(database_url: str, broker_url: str, tmp_path: Path, connection: Connection) -> Iterator[Door]:
    set_up(database_url, PEOPLE)
    add_payment(connection, "p1", State.PARKED)
    with door(database_url, broker_url, tmp_path) as found:
        yield found


def state(connection: Connection, intent_id: str = "p1") -> str:
    row = connection.execute("SELECT state FROM payments WHERE intent_id = %s", (intent_id,)).fetchone()
    assert row is not None
    return str(row["state"])


def deeds(connection: Connection) -> list[tuple[str, str]]:
    """What stands in the audit, but for people and log-ins."""
    told = [(row["action"], row["by_whom"]) for row in audit.records(connection)]
    return [one for one in told if not one[0].startswith(("person.", "session."))]


def test_one_proposes_and_another_one_approves(opened: Door, connection: Connection) -> None:
    ann, bob = inside(opened.port, "Ann"), inside(opened.port, "Bob")
    assert PARKED in ann.get("/inbox")
    answer = ann.send(PARKED, f"{PARKED}/resolve", answer="refused", reason=WHY, although="", line="")
    assert answer.status == 409, "nobody could look: it takes an although"
    assert b"nobody could look" in answer.body
    answer = ann.send(PARKED, f"{PARKED}/resolve", answer="refused", reason=WHY, although="the biller said so", line="")
    assert answer.headers["location"] == f"{PARKED}?said=proposed", answer.body
    assert "It is proposed" in ann.get(f"{PARKED}?said=proposed")
    assert state(connection) == "parked"
    row = connection.execute("SELECT id FROM proposals").fetchone()
    assert row is not None
    place = f"/proposals/{row['id']}"
    assert "Approve" not in re.findall(r"<button[^>]*>([^<]*)", ann.get(place))
    assert ann.ask("POST", f"{place}/approve", ann.form(place, f"{place}/reject")).status == 403
    assert bob.send(place, f"{place}/approve").headers["location"] == f"{place}?said=approved"
    assert state(connection) == "refused"
    assert deeds(connection)[-3:] == [
        ("proposal.made", "Ann"),
        ("payment.refused", "Ann"),
        ("proposal.approved", "Bob"),
    ]


def test_nobody_approves_their_own_and_who_proposed_takes_it_back(opened: Door, connection: Connection) -> None:
    bob, cat, eve = (inside(opened.port, name) for name in ("Bob", "Cat", "Eve"))
    bob.send(PARKED, f"{PARKED}/resolve", answer="succeeded", reason=WHY, although="", line="")
    place = "/proposals/1"
    mine = bob.form(place, f"{place}/reject")
    answer = bob.ask("POST", f"{place}/approve", mine)
    assert (answer.status, b"another person has to approve it" in answer.body) == (409, True)
    assert eve.ask("POST", f"{place}/reject", {**eve.form("/", "/logout"), "reason": WHY}).status == 403
    assert state(connection) == "parked"
    assert bob.ask("POST", f"{place}/reject", {**mine, "reason": WHY}).status == 303
    answer = cat.ask("POST", f"{place}/approve", {**cat.form("/", "/logout"), "once": "x" * 20})
    assert (answer.status, b"is rejected by Bob" in answer.body) == (409, True)
    assert state(connection) == "parked"


def test_a_form_that_comes_twice_is_done_once(opened: Door, connection: Connection) -> None:
    ann = inside(opened.port, "Ann")
    for place, action, more in (
        ("/lanes", "/lanes/mtn/pause", {"reason": WHY}),
        (PARKED, f"{PARKED}/resolve", {"answer": "succeeded", "reason": WHY, "although": "", "line": ""}),
    ):
        fields = {**ann.form(place, action), **more}
        before = len(deeds(connection))
        assert ann.ask("POST", action, fields).status == 303
        for _ in range(2):
            answer = ann.ask("POST", action, fields)
            assert (answer.status, b"was sent before" in answer.body) == (409, True)
        assert len(deeds(connection)) == before + 1


def test_a_form_without_its_own_token_does_nothing(opened: Door, connection: Connection) -> None:
    ann = inside(opened.port, "Ann")
    fields = ann.form("/lanes", "/lanes/mtn/pause")
    for once in ("", "short"):
        answer = ann.ask("POST", "/lanes/mtn/pause", {**fields, "once": once})
        assert answer.status == 422
    assert deeds(connection) == []


def test_a_process_that_is_killed_in_a_decision_did_nothing_and_the_form_is_good_again(
    opened: Door, database_url: str, broker_url: str, tmp_path: Path, connection: Connection
) -> None:
    ann = inside(opened.port, "Ann")
    fields = {**ann.form("/lanes", "/lanes/mtn/pause"), "reason": WHY}
    with connection.transaction():
        connection.execute("SELECT FROM lanes WHERE provider = 'mtn' FOR UPDATE")  # it stands in its transaction
        sender = threading.Thread(target=_send, args=(ann, fields), daemon=True)
        sender.start()
        within(30, lambda: _waits(database_url))
        opened.one.process.send_signal(signal.SIGKILL)
        opened.one.process.wait()
    sender.join()
    within(30, lambda: not _waits(database_url))
    assert deeds(connection) == []
    (tmp_path / "again").mkdir()
    with door(database_url, broker_url, tmp_path / "again") as second:
        again = Browser(second.port, ann.cookies)
        assert again.ask("POST", "/lanes/mtn/pause", fields).status == 303
        assert again.ask("POST", "/lanes/mtn/pause", fields).status == 409
        assert deeds(connection) == [("lane.paused", "Ann")]


def _send(browser: Browser, fields: dict[str, str]) -> None:
    try:
        browser.ask("POST", "/lanes/mtn/pause", fields)
    except OSError:
        return
    raise AssertionError("it was answered")


def _waits(database_url: str) -> Any:
    with psycopg.connect(database_url) as other:
        found = other.execute(
            """SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
            AND query LIKE 'UPDATE lanes SET paused_at%'"""
        ).fetchone()
    time.sleep(0.05)
    return found is not None


def test_a_lane_is_paused_and_resumed_as_by_command(opened: Door, connection: Connection) -> None:
    ann = inside(opened.port, "Ann")
    assert ann.send("/lanes", "/lanes/mtn/pause", reason=WHY).headers["location"] == "/lanes?said=paused"
    assert "by Ann" in ann.get("/lanes")
    assert ann.send("/lanes", "/lanes/mtn/resume", reason="").status == 303
    assert deeds(connection) == [("lane.paused", "Ann"), ("lane.resumed", "Ann")]
    token = {**ann.form("/", "/logout"), "once": "x" * 20}
    assert ann.ask("POST", "/lanes/invoicepayment/pause", token).status == 404


def test_a_payment_of_which_nothing_was_sent_is_cancelled(opened: Door, connection: Connection) -> None:
    add_payment(connection, "p2")
    connection.execute("UPDATE payments SET hold_reason = 'account_unconfirmed', due_at = NULL WHERE intent_id = 'p2'")
    ann = inside(opened.port, "Ann")
    place = "/payments/shop/p2"
    answer = ann.send(place, f"{place}/cancel", reason="  ")
    assert (answer.status, b"reason must have" in answer.body) == (422, True)
    assert ann.send(place, f"{place}/cancel", reason=WHY).headers["location"] == f"{place}?said=cancelled"
    assert state(connection, "p2") == "cancelled"
    assert "Cancel the payment" not in ann.get(place)


def test_an_account_is_proposed_and_confirmed(opened: Door, connection: Connection) -> None:
    account(connection)
    ann, bob, eve = (inside(opened.port, name) for name in ("Ann", "Bob", "Eve"))
    assert "00012345" in ann.get("/accounts")
    assert "00012345" not in eve.get("/accounts") + eve.get("/inbox")
    named = {"provider": "billcenter", "service": "140", "account": "00012345", "bank_code": "50004", "khut_type": ""}
    answer = ann.send("/accounts", "/accounts/confirm", **named)
    assert answer.headers["location"] == "/accounts?said=proposed", answer.body
    assert bob.send("/proposals/1", "/proposals/1/approve").status == 303
    row = connection.execute("SELECT to_confirm, confirmed_by FROM bank_accounts").fetchone()
    assert row == {"to_confirm": False, "confirmed_by": "Ann"}
    answer = ann.send("/accounts?service=140", "/accounts/choose", **named, reason=WHY)
    assert answer.headers["location"] == "/accounts?said=proposed", answer.body


def test_quarantine_is_put_on_the_queue_again_or_dismissed(opened: Door, connection: Connection) -> None:
    quarantined(connection)
    ann, eve = inside(opened.port, "Ann"), inside(opened.port, "Eve")
    assert "not a JSON object" in eve.get("/quarantine")
    assert "Masked for a viewer" in eve.get("/quarantine/1")
    connection.execute("UPDATE quarantine SET stream = 'settlepipe:intake'")
    assert ann.send("/quarantine/1", "/quarantine/1/replay").headers["location"] == "/quarantine?said=replayed"
    answer = ann.send("/quarantine/1", "/quarantine/1/dismiss", reason=WHY)
    assert (answer.status, b"may be a payment by now" in answer.body) == (409, True), "nobody knows yet what it became"
    connection.execute("UPDATE quarantine SET seen = 2, last_seen = clock()")
    assert ann.send("/quarantine/1", "/quarantine/1/dismiss", reason=WHY).status == 303
    assert "no. 1" not in ann.get("/quarantine")
    assert "no. 1" in ann.get("/quarantine?all=yes")
    assert deeds(connection) == [("quarantine.replayed", "Ann"), ("quarantine.dismissed", "Ann")]
    assert ann.ask("GET", "/quarantine/99").status == 404


def test_the_inbox_is_read_page_by_page(opened: Door, connection: Connection) -> None:
    discrepancy(connection)
    for number in range(60):
        add_payment(connection, f"many-{number}", State.PARKED)
    ann = inside(opened.port, "Ann")
    first, second = ann.get("/inbox"), ann.get("/inbox?skip=50")
    assert first.count('<article class="entry"') == 50
    assert 'href="/inbox?kind=&amp;order=age&amp;skip=50"' in first
    assert second.count('<article class="entry"') == 12
    assert ann.get("/inbox?kind=discrepancy").count("<article") == 1
    assert ann.get("/inbox?order=money&skip=99999999").count("<article") > 0


def test_a_discrepancy_is_assigned_commented_closed_and_opened_again(opened: Door, connection: Connection) -> None:
    discrepancy(connection)
    row = connection.execute("SELECT id FROM discrepancies").fetchone()
    assert row is not None
    place = f"/discrepancies/{row['id']}"
    ann, dan, eve = (inside(opened.port, name) for name in ("Ann", "Dan", "Eve"))
    assert place in eve.get("/discrepancies")
    assert "900000001" in dan.get(place)
    assert "900000001" not in eve.get(place) + eve.get("/discrepancies")
    assert ann.send(place, f"{place}/assign", owner="Dan", due="2026-12-05", reason="").status == 303
    assert ann.send(place, f"{place}/assign", owner="Nobody", due="", reason="").status == 409
    assert ann.send(place, f"{place}/assign", owner="Dan", due="tomorrow", reason="").status == 422
    assert place in dan.get("/discrepancies?which=mine")
    assert ann.send(place, f"{place}/comment", reason="they say it is <b>theirs</b>").status == 303
    page = dan.get(place)
    assert "&lt;b&gt;theirs&lt;/b&gt;" in page
    assert "due Dec 5, 2026" in page
    assert dan.send(place, f"{place}/close", code="fee", reason=WHY).headers["location"] == f"{place}?said=closed"
    assert place not in dan.get("/discrepancies")
    assert dan.send(place, f"{place}/reopen", reason=WHY).status == 303
    said = ["assigned", "commented", "closed", "reopened"]
    assert [deed for deed, _ in deeds(connection)] == [f"discrepancy.{one}" for one in said]


def test_a_day_is_signed_by_two_and_read_in_any_language(opened: Door, connection: Connection) -> None:
    night = ReportedNight(connection, "mtn", currency="GHS")
    night.pay(3)
    run = night.compared()
    place = f"/days/mtn/{run.day}"
    bob, dan, eve = (inside(opened.port, name) for name in ("Bob", "Dan", "Eve"))
    assert place in eve.get("/days")
    assert eve.ask("GET", f"{place}/report").status == 403
    assert dan.send(place, f"{place}/sign", role="prepared", reason="").headers["location"] == f"{place}?said=signed"
    assert "another person has to review it" in dan.get(place)
    shown = re.search(r"The books now: <code>([0-9a-f]{12})</code>", dan.get(place))
    assert shown is not None
    fields = {**dan.form("/", "/logout"), "once": "x" * 20, "role": "reviewed"}
    assert dan.ask("POST", f"{place}/sign", fields).status == 422, "of books that nobody saw"
    assert dan.ask("POST", f"{place}/sign", {**fields, "once": "y" * 20, "books": shown[1]}).status == 409
    assert bob.send(place, f"{place}/sign", role="reviewed", reason="").status == 303
    answer = dan.ask("GET", f"{place}/report?language=ka")
    assert 'lang="ka"' in answer.body.decode()
    assert "Dan" in answer.body.decode()
    assert "script-src" not in answer.headers["content-security-policy"]
    assert dan.ask("GET", f"{place}/report.xlsx").body.startswith(b"PK"), "it was written nowhere: it is made now"
    for odd in ("/days/mtn/2026-02-30", "/days/mtn/..%2f..", "/days/nobody/2026-11-21", f"{place}/..%2f..%2fx"):
        assert dan.ask("GET", odd).status == 404


def test_a_day_that_changed_is_signed_again_by_a_page_that_shows_it_as_it_is(
    opened: Door, connection: Connection
) -> None:
    night = ReportedNight(connection, "mtn", currency="GHS")
    night.pay(3)
    run = night.compared()
    place = f"/days/mtn/{run.day}"
    bob, dan = inside(opened.port, "Bob"), inside(opened.port, "Dan")
    assert dan.send(place, f"{place}/sign", reason="").status == 303
    opened_before = bob.form(place, f"{place}/sign")
    _found_more(connection, night)
    answer = bob.ask("POST", f"{place}/sign", opened_before)
    assert (answer.status, b"are other ones now" in answer.body) == (409, True)
    assert "Sign again as prepared" in dan.get(place)
    assert dan.send(place, f"{place}/sign", reason="").status == 303
    assert bob.send(place, f"{place}/sign", reason="").status == 303
    page = bob.get(place)
    assert ("Sign" in re.findall(r"<button[^>]*>(Sign)", page), page.count("the same")) == (False, 1)
    assert "changed since" not in bob.get("/days")
    _found_more(connection, night)
    assert "Changed since it was signed" in bob.get(place)
    assert "changed since" in bob.get("/days")
    again = bob.ask("POST", f"{place}/sign", {**opened_before, "once": "z" * 20})
    assert again.status == 409, "an old form with a new token signs nothing"
    rows = connection.execute("SELECT version, role, by_whom FROM day_signatures ORDER BY version, role").fetchall()
    assert [tuple(row.values()) for row in rows] == [
        (1, "prepared", "Dan"),
        (2, "prepared", "Dan"),
        (2, "reviewed", "Bob"),
    ]


def _found_more(connection: Connection, night: ReportedNight) -> None:
    connection.execute(
        """INSERT INTO findings (run_id, identity, category, account, currency, local_minor, provider_minor, evidence,
            of_day) SELECT %(run)s, 'made-up-' || count(*), 'paid_elsewhere', '7', 'GHS', 0, 5, '{}', %(day)s
        FROM findings WHERE run_id = %(run)s""",
        {"run": night.run_id, "day": night.day},
    )


def test_the_audit_alerts_and_settings_are_shown_without_secrets(opened: Door, connection: Connection) -> None:
    connection.execute("INSERT INTO alerts (name, subject, figures) VALUES ('payment_parked', 'mtn', '{}')")
    dan, eve = inside(opened.port, "Dan"), inside(opened.port, "Eve")
    assert "payment parked" in eve.get("/alerts")
    assert "person.password set" in dan.get("/audit")
    connection.execute(
        """INSERT INTO job_runs (job, slot, state, attempts, started_at, finished_at, outcome)
        SELECT 'tidy', clock() - n * interval '1 h', 'done', 1, clock(), clock() + interval '2 s', 'made-up outcome'
        FROM generate_series(1, 60) n"""
    )
    assert eve.get("/jobs").count("made-up outcome") == 50
    assert eve.get("/jobs?skip=50").count("made-up outcome") == 10
    page = dan.get("/settings")
    assert "SETTLEPIPE_WEB__SESSION_IDLE_S" in page
    assert KEY not in page
    assert "postgresql://" not in page
    for number in range(60):
        with connection.transaction():
            audit.write(connection, "made.up", str(number), by="Ann")
    assert dan.get("/audit").count("made.up") == 50
    older = re.search(r'href="(/audit\?before=\d+)"', dan.get("/audit"))
    assert older is not None
    assert dan.get(older[1]).count("made.up") == 10
