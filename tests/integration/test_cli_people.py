"""`settlepipe people`, `proposals`, `approve`, `reject` and `audit`, as people type them."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from shared import audit, lanes
from shared.database.engine import Connection
from tests.integration.conftest import Run


@pytest.fixture(autouse=True)
def _lane(connection: Connection) -> None:
    lanes.ensure(connection, ["ubill"])


def added(run: Run, name: str, role: str = "approver") -> str:
    status, out, err = run("people", "add", name, "--role", role, "--json")
    assert (status, err) == (0, "")
    return str(json.loads(out)["token"])


def own(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, role: str = "approver") -> str:
    """The token that they have made for themselves; whoever added them is at the command line again after it."""
    adder, first = os.environ["SETTLEPIPE_PERSON_TOKEN"], added(run, name, role)
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", first)
    assert run("proposals")[0] == 0
    assert run("lanes", "pause", "ubill")[0] == 1, "it is good for a new one alone"
    status, out, _ = run("people", "rotate", "--json")
    assert status == 0
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", adder)
    return str(json.loads(out)["token"])


def records(run: Run, *more: str) -> list[dict[str, Any]]:
    status, out, _ = run("audit", "--json", *more)
    assert status == 0
    return [json.loads(line) for line in out.splitlines()]


def test_a_person_is_known_by_a_token_in_a_variable_or_a_file(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "nobody is set up" in run("people")[1]
    assert run("lanes", "pause", "ubill", "--by", "anybody")[0] == 0
    assert run("lanes", "pause", "ubill")[0] == 2, "a name has to be said"
    assert run("people", "add", "Vic", "--role", "viewer")[0] == 1, "the first one is an approver"
    token = added(run, "Ann")
    status, _, err = run("lanes", "resume", "ubill")
    assert (status, err.count("\n"), "SETTLEPIPE_PERSON_TOKEN" in err) == (2, 1, True)
    assert run("lanes", "pause", "ubill", "--by", "Ann")[0] == run("lanes", "pause", "ubill")[0] == 2
    file = tmp_path / "token"
    file.write_text(token + "\n")
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN_FILE", str(file))
    assert run("lanes", "resume", "ubill", "--reason", "their mail")[0] == 0
    assert run("lanes", "pause", "ubill", "--by", "Bob")[0] == 1
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", token)
    assert run("lanes", "pause", "ubill")[0] == 2, "both are set"
    monkeypatch.delenv("SETTLEPIPE_PERSON_TOKEN_FILE")
    monkeypatch.delenv("SETTLEPIPE_PERSON_TOKEN")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "SETTLEPIPE_PERSON_TOKEN").write_text(token)
    monkeypatch.setenv("SETTLEPIPE_SECRETS_DIR", str(secrets))
    assert run("lanes", "pause", "ubill", "--reason", "a directory")[0] == 0
    monkeypatch.delenv("SETTLEPIPE_SECRETS_DIR")
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", token)
    assert run("lanes", "pause", "ubill")[0] == 0
    told = [(row["by"], row["action"], row["reason"]) for row in records(run)]
    assert told == [
        ("anybody", "lane.paused", None),
        ("somebody", "person.added", None),
        ("Ann", "lane.resumed", "their mail"),
        ("Ann", "lane.paused", "a directory"),
        ("Ann", "lane.paused", None),
    ]
    assert token not in run("audit")[1] + run("people")[1] + run("people", "--json")[1]


def test_a_file_that_is_not_there_is_said_in_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    added(run, "Ann")
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN_FILE", str(tmp_path / "none"))
    status, _, err = run("lanes", "pause", "ubill")
    assert (status, err.count("\n")) == (2, 1)
    assert "SETTLEPIPE_PERSON_TOKEN_FILE, has no value: the file can't be read (FileNotFoundError)" in err


def test_a_new_token_ends_the_old_one_and_a_revoked_person_does_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = added(run, "Ann")
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", ann)
    bob = own(run, monkeypatch, "Bob", "operator")
    status, out, _ = run("people", "rotate")
    newer = out.splitlines()[-1]
    assert (status, newer != ann) == (0, True)
    assert run("people", "revoke", "Bob")[0] == 1, "the old token"
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", newer)
    assert run("people", "revoke", "Bob")[0] == 0
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", bob)
    assert run("lanes", "pause", "ubill")[0] == 1
    rows = [json.loads(line) for line in run("people", "--json")[1].splitlines()]
    assert [(row["name"], row["role"], row["revoked_by"]) for row in rows] == [
        ("Ann", "approver", None),
        ("Bob", "operator", "Ann"),
    ]


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_reason_is_checked_before_anybody_looks(
    run: Run, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it looks")

    monkeypatch.setattr("shared.payments.bulk.plan", never)
    decide = ("resolve", "--all", "--provider", "mtn", "--as", "succeeded", "--paired", "--by", "Ann", *more)
    assert run(*decide, "--reason", " ")[0] == 2


def test_a_token_that_nobody_can_read_is_none(
    run: Run, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown before it counts."""

    def closed(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", added(run, "Ann"))
    before = connection.execute("SELECT * FROM people").fetchall()
    monkeypatch.setattr("deploy.cli.people.tell", closed)
    for command in (("rotate",), ("add", "Bob", "--role", "viewer")):
        assert run("people", *command)[0] != 0
        assert connection.execute("SELECT * FROM people").fetchall() == before


def test_a_changed_account_takes_two_people(run: Run, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    connection.execute(
        """INSERT INTO bank_accounts (provider, service, khut_type, account, bank_code, bank_name, change)
        VALUES ('billcenter', '140', '', '00012345', '50004', 'A bank', 'changed')"""
    )
    ann = added(run, "Ann")
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", ann)
    bob = own(run, monkeypatch, "Bob")
    status, out, _ = run("accounts", "confirm", "billcenter", "140", "00012345", "--reason", "their letter")
    assert (status, "settlepipe approve 1" in out) == (0, True)
    assert json.loads(run("accounts", "--json")[1])["state"] == "to be confirmed"
    [proposal] = [json.loads(line) for line in run("proposals", "--json")[1].splitlines()]
    assert (proposal["kind"], proposal["proposed_by"], proposal["state"]) == ("confirm", "Ann", "open")
    assert "settlepipe approve 1" in run("proposals")[1]
    status, _, err = run("approve", "1")
    assert (status, "another person" in err) == (1, True)
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", bob)
    assert run("reject", "1", "--reason", " ")[0] == 2
    status, out, err = run("approve", "1")
    assert (status, err) == (0, "")
    assert "is confirmed" in out
    assert connection.execute("SELECT confirmed_by FROM bank_accounts").fetchall() == [{"confirmed_by": "Ann"}]
    assert run("reject", "1", "--reason", "late")[0] == 1
    assert run("approve", "9")[0] == 1
    assert run("approve", "0")[0] == 2
    assert run("proposals")[1] == "nothing is proposed\n"


def test_the_audit_is_verified_against_a_hash_that_was_noted(run: Run, connection: Connection) -> None:
    run("lanes", "pause", "ubill", "--by", "Ann")
    run("lanes", "resume", "ubill", "--by", "Ann")
    status, out, _ = run("audit", "verify", "--json")
    found = json.loads(out)
    assert (status, found["records"], found["wrong"]) == (0, 2, None)
    assert run("audit", "verify", "--head", found["head"])[0] == 0
    assert run("audit", "verify", "--head", "0" * 64)[0] == 1
    assert run("audit", "verify", "--head", "x")[0] == 2
    assert [row["number"] for row in records(run, "--since", records(run)[-1]["at"])] == [2]
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("UPDATE audit SET by_whom = 'Bob' WHERE number = 1")
    status, _, err = run("audit", "verify")
    assert (status, err) == (1, "settlepipe: the audit does not hold: record 1 is not what was written\n")
    assert json.loads(run("audit", "verify", "--json")[1])["wrong"] == "record 1 is not what was written"


def test_a_person_sets_their_own_password_and_nobody_elses(
    run: Run, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = json.loads(run("people", "add", "Ann", "--role", "approver", "--json")[1])["token"]
    monkeypatch.setattr("sys.stdin", io.StringIO("made-up-words-of-a-person\n"))
    status, _, err = run("people", "password", "Ann")
    assert (status, "say who you are" in err) == (2, True)
    monkeypatch.setenv("SETTLEPIPE_PERSON_TOKEN", token)
    for name, words, problem in (
        ("Bob", "made-up-words-of-a-person", "each person sets their own"),
        ("Ann", "too short", "12 to 200 characters"),
        ("Ann", "made-up by ann herself", "easily guessed"),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(words + "\n"))
        status, _, err = run("people", "password", name)
        assert (status, problem in err) == (2, True), err
    assert connection.execute("SELECT FROM people_passwords").rowcount == 0
    status, _, err = run("people", "totp", "Ann")
    assert (status, "has no password yet" in err) == (1, True)
    monkeypatch.setattr("sys.stdin", io.StringIO("made-up-words-of-a-person\n"))
    assert run("people", "password", "Ann") == (
        0,
        "the password of Ann is set; log in with it in the control room\n",
        "",
    )
    row = connection.execute("SELECT hash FROM people_passwords").fetchone()
    assert row is not None
    assert row["hash"].startswith("$argon2id$")
    told = json.loads(run("people", "totp", "Ann", "--json")[1])
    assert told["uri"].startswith("otpauth://totp/settlepipe%3AAnn?secret=")
    assert run("people", "totp", "Ann", "--off")[0] == 0
    done = [record["action"] for record in audit.records(connection)]
    assert done == ["person.added", "person.password_set", "person.totp_set", "person.totp_removed"]
    assert "made-up-words" not in str(list(audit.records(connection)))
