"""Reports in the control room: a period's statement made from a form, a night's files, in the reader's language."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.database.engine import Connection
from shared.domain.roles import Role
from tests.support.door import Door, door, within
from tests.support.reconciled import eventful
from tests.support.room import inside, set_up
from worker.web.rooms import room

PEOPLE = {"Bob": Role.APPROVER, "Eve": Role.VIEWER, "Dan": Role.ACCOUNTANT}
NIGHT = "/days/ubill/2026-11-21"


@pytest.fixture
def opened(database_url: str, broker_url: str, tmp_path: Path, connection: Connection) -> Iterator[Door]:
    """One eventful night of ubill's, 2026-11-21."""
    set_up(database_url, PEOPLE)
    connection.execute("INSERT INTO lanes (provider) VALUES ('ubill') ON CONFLICT DO NOTHING")
    eventful(connection, provider="ubill")
    with door(database_url, broker_url, tmp_path) as found:
        yield found


def made(**asked: str) -> str:
    given = {"provider": "ubill", "period": "2026-11", "language": "en", "form": "page", **asked}
    return "/statements/made?" + "&".join(f"{name}={value}" for name, value in given.items())


def test_a_statement_is_shown_and_saved_in_the_readers_language(opened: Door) -> None:
    dan = inside(opened.port, "Dan")
    page = dan.get("/statements")
    for said in ("<option>2026-11</option>", "<option>2026-Q4</option>", "<option>2026</option>", "ქართული"):
        assert said in page
    for language, title, sums in (("en", "Statement", "229,320.50"), ("ka", "პერიოდის ამონაწერი", "229")):
        answer = dan.ask("GET", made(language=language))
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline';")
        assert answer.headers["content-length"] == str(len(answer.body))
        text = answer.body.decode()
        assert (f'<html lang="{language}">' in text, title in text, sums in text) == (True, True, True)
    for period in ("2026-Q4", "2026"):
        assert dan.get(made(period=period))
    saved = dan.ask("GET", made(form="xlsx", language="ru"))
    assert saved.headers["content-disposition"] == 'attachment; filename="ubill-2026-11-statement.xlsx"'
    with zipfile.ZipFile(io.BytesIO(saved.body)) as book:
        assert 'name="Открыто и закрыто"' in book.read("xl/workbook.xml").decode()
    days = dan.ask("GET", made(form="days"))
    assert days.headers["content-type"] == "text/csv; charset=utf-8"
    assert days.body.decode("utf-8-sig").startswith("day,complete,currency,entries,")
    (sums_told,) = json.loads(dan.get(made(form="json")))["sums"]
    assert sums_told["our_books"] == "229320.50"


def test_all_providers_come_packed(opened: Door) -> None:
    answer = inside(opened.port, "Dan").ask("GET", made(provider="all"))
    assert answer.headers["content-disposition"] == 'attachment; filename="all-2026-11.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.body)) as packed:
        assert sorted(packed.namelist()) == [
            f"ubill/{name}"
            for name in ("days.csv", "discrepancies.csv", "statement.html", "statement.xlsx", "summary.json")
        ]


def test_what_there_is_not_is_said(opened: Door) -> None:
    bob = inside(opened.port, "Bob")
    for address, status, said in (
        (made(period="2026-13"), 422, "is no month"),
        (made(period="x" * 3000), 422, "is no year"),
        (made(period="2026-01"), 404, "no day of 2026-01 was compared"),
        (made(provider="all", period="2026-01"), 404, "no day of 2026-01 was compared"),
        (made(provider="x"), 404, "There is no such statement"),
        (made(form="exe"), 404, "There is no such statement"),
        (f"{NIGHT}/report.html", 404, "There is nothing here"),
    ):
        answer = bob.ask("GET", address)
        assert (answer.status, said in answer.body.decode()) == (status, True), (address, answer.body)
    assert bob.ask("GET", "/statements/made").headers["location"] == "/statements"
    assert "2026-11-21" in bob.get("/statements?provider=ubill&until=2026-11-21")
    assert f'href="{NIGHT}"' not in bob.get("/statements?until=2026-11-20")
    assert f'href="{NIGHT}"' not in bob.get("/statements?provider=mtn")
    assert bob.get("/statements?provider=x&until=x&language=x&form=x&period=x")


def test_a_viewer_sees_no_report(opened: Door) -> None:
    eve = inside(opened.port, "Eve")
    assert "not for viewers" in eve.get("/statements")
    for address in (made(), made(form="zip"), f"{NIGHT}/report.xlsx", f"{NIGHT}/report"):
        assert eve.ask("GET", address).status == 403, address


def test_a_nights_files_are_made_where_they_do_not_stand(opened: Door, tmp_path: Path) -> None:
    dan = inside(opened.port, "Dan")
    links = re.findall(rf'href="({NIGHT}/[^"]+)"', dan.get("/statements?language=fr"))
    assert len(links) == 5
    for link in links:
        answer = dan.ask("GET", link)
        assert (answer.status, len(answer.body) > 50) == (200, True), link
    with zipfile.ZipFile(io.BytesIO(dan.ask("GET", f"{NIGHT}/report.xlsx?language=fr").body)) as book:
        assert 'name="Totaux"' in book.read("xl/workbook.xml").decode()
    assert not list(tmp_path.rglob("discrepancies.csv")), "nothing of it is left"


def test_who_asks_for_too_many_is_refused_politely_and_keeps_nobody_waiting(
    opened: Door, connection: Connection
) -> None:
    bob, dan = inside(opened.port, "Bob"), inside(opened.port, "Dan")
    most = 1 + room._WRITES_WAITING
    with ThreadPoolExecutor(most) as pool:
        with connection.transaction():
            connection.execute("LOCK TABLE reconciliations IN ACCESS EXCLUSIVE MODE")  # a statement waits for this
            calls = [pool.submit(bob.ask, "GET", made(form="xlsx")) for _ in range(most)]
            busy = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted"
            within(30, lambda: (connection.execute(busy).fetchone() or {"n": 0})["n"])
            refused = within(30, lambda: (found := dan.ask("GET", made())).status == 503 and found)
            assert b"Others are waiting for this, too" in refused.body
            assert dan.ask("GET", "/search").status == 200
            assert not any(call.done() for call in calls)
        assert [call.result().status for call in calls] == [200] * most
    assert dan.ask("GET", made()).status == 200
