"""What nothing is to come of leaves the inbox with a record, and stays to be looked at."""

import json
from typing import Any

import psycopg
import pytest
import redis

from shared.database.engine import Connection, Database
from shared.payments import quarantine
from tests.integration.conftest import Run
from tests.integration.test_cli import product  # noqa: F401 - a fixture
from tests.support.stack import wait_until


def put(connection: Connection, raw: bytes) -> int:
    row = connection.execute(
        """INSERT INTO quarantine (sha256, raw, reason, code, stream, entry_id)
        VALUES (sha256(%s), %s, 'the intent is not JSON', 'not_json', 'settlepipe:intake', '1-1') RETURNING id""",
        (raw, raw),
    ).fetchone()
    assert row is not None
    return int(row["id"])


def listed(run: Run, *more: str) -> list[Any]:
    status, out, _ = run("quarantine", "list", *more, "--json")
    assert status == 0
    return [json.loads(line) for line in out.splitlines()]


def inbox(run: Run) -> list[str]:
    return [json.loads(line)["kind"] for line in run("inbox", "--json")[1].splitlines()]


def test_a_dismissed_entry_waits_for_nobody_until_it_comes_again(run: Run, connection: Connection) -> None:
    first, second = put(connection, b"one"), put(connection, b"two")
    assert inbox(run) == ["quarantine", "quarantine"]
    given = ("--reason", "a test of theirs", "--by", "operator-1")
    assert run("quarantine", "dismiss", str(first), *given)[0] == 0
    assert inbox(run) == ["quarantine"]
    assert [row["id"] for row in listed(run)] == [second]
    gone, _ = listed(run, "--all")
    assert (gone["id"], gone["code"], gone["dismissed_by"]) == (first, "not_json", "operator-1")
    assert gone["dismissed_reason"] == "a test of theirs"
    assert "dismissed by" in run("quarantine", "list", "--all")[1]
    assert run("quarantine", "replay", "--all")[1] == "1 replayed\n"
    connection.execute("UPDATE quarantine SET seen = 2, last_seen = clock()")
    assert inbox(run) == ["quarantine", "quarantine"], "both came again"
    assert [row["dismissed_at"] for row in listed(run)] == [None, None]


def test_who_and_why_are_asked_for_and_kept_for_ever(run: Run, connection: Connection) -> None:
    number = str(put(connection, b"one"))
    assert run("quarantine", "dismiss", number, "--reason", " ", "--by", "operator-1")[0] == 2
    assert run("quarantine", "dismiss", number, "--reason", "x" * 501, "--by", "operator-1")[0] == 2
    assert run("quarantine", "dismiss", "99", "--reason", "x", "--by", "operator-1")[0] == 1
    assert run("quarantine", "dismiss", number, "--reason", "x", "--by", "operator-1")[0] == 0
    for statement in ("UPDATE dismissals SET reason = 'y'", "DELETE FROM dismissals"):
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(statement)
    connection.execute("DELETE FROM quarantine")
    (kept,) = connection.execute("SELECT reason, by_whom, why FROM dismissals").fetchall()
    assert kept == {"reason": "x", "by_whom": "operator-1", "why": "the intent is not JSON"}


def test_what_comes_back_at_once_waits_again(
    run: Run,
    product: "redis.Redis",  # noqa: F811
    connection: Connection,
) -> None:
    """An intake reads the first while the others are still on their way to the queue."""
    for number in range(60):
        put(connection, b"nonsense %d" % number)
    assert run("quarantine", "replay", "--all")[1] == "60 replayed\n"

    def came_back() -> bool:
        return connection.execute("SELECT FROM quarantine WHERE seen = 2").rowcount == 60

    wait_until(came_back, "each came back")
    assert len(inbox(run)) == 60
    assert run("quarantine", "replay", "--all")[1] == "60 replayed\n"


def test_what_was_put_on_the_queue_again_is_not_dismissed_until_it_comes_back(run: Run, connection: Connection) -> None:
    """Whoever dismisses it pays the customer back, and it may be a payment by now."""
    number = str(put(connection, b"one"))
    connection.execute("UPDATE quarantine SET subject = 'shop/p1'")
    given = ("--reason", "paid back by hand", "--by", "operator-1")
    assert run("quarantine", "replay", number)[0] == 0
    status, out, err = run("quarantine", "dismiss", number, *given)
    assert (status, out) == (1, "")
    assert "may be a payment by now: see `settlepipe payment shop/p1`" in err
    assert connection.execute("SELECT FROM dismissals").rowcount == 0
    connection.execute("UPDATE quarantine SET seen = 2, last_seen = clock()")
    assert run("quarantine", "dismiss", number, *given)[0] == 0


def test_what_was_dismissed_goes_back_to_the_queue_only_where_that_is_said(
    run: Run, connection: Connection, broker_url: str
) -> None:
    first, second = str(put(connection, b"one")), str(put(connection, b"two"))
    assert run("quarantine", "dismiss", first, "--reason", "paid back by hand", "--by", "operator-1")[0] == 0
    status, _, err = run("quarantine", "replay", first, second)
    assert (status, "1 was replayed; 1 was dismissed" in err) == (1, True), err
    with redis.Redis.from_url(broker_url) as client:
        assert [fields for _, fields in client.xrange("settlepipe:intake")] == [{b"intent": b"two"}]
        assert run("quarantine", "replay", "--all", "--dismissed")[0] == 2
        assert run("quarantine", "replay", first, "--dismissed")[:2] == (0, "1 replayed\n")
        assert client.xlen("settlepipe:intake") == 2


def test_what_is_dismissed_while_all_are_replayed_stays(
    run: Run, connection: Connection, database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody says that the customer was paid back, after the page was read and before its entry goes."""
    put(connection, b"one")
    second = put(connection, b"two")
    kept = quarantine.kept
    database = Database(database_url, pool_size=1)

    def read(*given: Any) -> Any:
        for page in kept(*given):
            with database.connection() as another:
                assert quarantine.dismiss(another, second, reason="paid back by hand", by="operator-2")
            yield page

    monkeypatch.setattr(quarantine, "kept", read)
    assert run("quarantine", "replay", "--all")[1] == "1 replayed\n"
    database.dispose()
    with redis.Redis.from_url(broker_url) as client:
        assert [fields for _, fields in client.xrange("settlepipe:intake")] == [{b"intent": b"one"}]
