"""What nothing is to come of leaves the inbox with a record, and stays to be looked at."""

import json
from typing import Any

import psycopg
import pytest

from shared.database.engine import Connection
from tests.integration.conftest import Run


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
