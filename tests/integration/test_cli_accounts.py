"""`settlepipe accounts`: what operators compare, and what they confirm."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.database.engine import Database
from shared.directory.store import lists
from shared.domain.records import DirectoryRow
from tests.integration.conftest import Run

OLD, NEW, OTHER = "7000000001", "7000000002", "7000000003"


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Run) -> Run:
    """Run a command on this test's database: (exit status, stdout, stderr)."""
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", database_url)
    monkeypatch.setenv("SETTLEPIPE_HOME", str(tmp_path / "home"))
    return command


def row(item_id: str, account: str, service: int = 140, khut_type: str | None = None) -> DirectoryRow:
    data = {"account": account, "khut_type": khut_type, "bank_code": "50000", "bank_name": "Туршилтын банк"}
    return DirectoryRow(item_id, str(service), data)


@pytest.fixture
def changed(database_url: str) -> Iterator[None]:
    """Service 140 has another account than at first; the branches of service 1 have theirs."""
    pool = Database(database_url, pool_size=1)
    branches = [row(f"1{branch}", f"700000010{branch}", 1, branch) for branch in ("1", "2")]
    for account in (OLD, NEW):
        with pool.transaction() as connection:
            lists.replace(connection, "billcenter", "bank_accounts", [row("1", account), *branches])
    yield
    pool.dispose()


def _lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def _states(run: Run, *given: str) -> dict[str, str]:
    return {found["account"]: found["state"] for found in _lines(run("accounts", *given, "--json")[1])}


@pytest.mark.usefixtures("changed")
def test_accounts_are_shown_with_their_numbers_in_80_columns(run: Run) -> None:
    status, out, err = run("accounts")
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert [line for line in out.splitlines() if NEW in line and "billcenter 140" in line]
    assert OLD not in out
    assert run("accounts", "list")[1] == out
    of_one = run("accounts", "billcenter")[1]
    assert run("accounts", "list", "billcenter")[1] == of_one
    assert NEW in of_one
    assert run("accounts", "mars")[0] == 2


@pytest.mark.usefixtures("changed")
def test_programs_get_an_object_for_each_account(run: Run) -> None:
    found = _lines(run("accounts", "billcenter", "--json")[1])
    assert [(a["service"], a["khut_type"], a["account"]) for a in found] == [
        ("1", "1", "7000000101"),
        ("1", "2", "7000000102"),
        ("140", None, NEW),
    ]
    assert found[2] == {
        "provider": "billcenter",
        "service": "140",
        "khut_type": None,
        "account": NEW,
        "bank_code": "50000",
        "bank_name": "Туршилтын банк",
        "since": found[2]["since"],
        "closed_at": None,
        "change": "changed",
        "state": "to be confirmed",
        "confirmed_at": None,
        "confirmed_by": None,
        "chosen_at": None,
        "chosen_by": None,
    }
    assert [a["state"] for a in found[:2]] == ["confirmed", "confirmed"]


@pytest.mark.usefixtures("changed")
def test_an_account_is_confirmed_once(run: Run) -> None:
    status, out, err = run("accounts", "confirm", "billcenter", "140", NEW, "--by", "operator-1")
    assert (status, out) == (0, "the account of billcenter service 140 is confirmed; what was held for it goes\n")
    assert NEW not in err  # a log
    assert _states(run)[NEW] == "confirmed"
    status, out, _ = run("accounts", "confirm", "billcenter", "140", NEW, "--by", "operator-2")
    assert (status, "already (by operator-1, " in out) == (0, True)
    [found] = [a for a in _lines(run("accounts", "--json")[1]) if a["account"] == NEW]
    assert found["confirmed_by"] == "operator-1"
    status, out, _ = run("accounts", "confirm", "billcenter", "1", "7000000101", "--by", "operator-2")
    assert (status, out) == (0, "the account of billcenter service 1 was confirmed already\n")


@pytest.mark.usefixtures("changed")
def test_history_tells_what_happened_when_and_by_whom(run: Run) -> None:
    run("accounts", "confirm", "billcenter", "140", NEW, "--by", "operator-1")
    found = {a["account"]: a for a in _lines(run("accounts", "--history", "--json")[1])}
    assert [entry["what"] for entry in found[OLD]["history"]] == ["added", "closed"]
    assert [entry["what"] for entry in found[NEW]["history"]] == ["changed", "confirmed"]
    assert found[NEW]["history"][1] == {"at": found[NEW]["confirmed_at"], "what": "confirmed", "by": "operator-1"}
    assert (found[OLD]["state"], found[OLD]["closed_at"]) == ("closed", found[NEW]["since"])
    status, out, _ = run("accounts", "billcenter", "--history")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    told = " ".join(out.split())
    assert told.index("closed") < told.index("confirmed by")
    assert OLD in told


@pytest.mark.usefixtures("changed")
def test_what_can_not_be_confirmed_is_said_in_one_sentence(run: Run) -> None:
    before = _lines(run("accounts", "--history", "--json")[1])
    for account, reason in ((OLD, "closed"), (OTHER, "no such account")):
        status, out, err = run("accounts", "confirm", "billcenter", "140", account, "--by", "operator-1")
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert reason in err
    for wrong in (
        ("mars", "140", NEW, "--by", "operator-1"),
        ("billcenter", "140", NEW),
        ("billcenter", "140", NEW, "--by", " "),
        ("billcenter", "140", "--by", "operator-1"),
    ):
        status, out, err = run("accounts", "confirm", *wrong)
        assert (status, out, err.count("\n")) == (2, "", 1)
    assert _lines(run("accounts", "--history", "--json")[1]) == before


def test_without_any_refresh_there_are_no_accounts(run: Run) -> None:
    assert run("accounts", "--json") == (0, "", "")
    assert run("accounts")[0] == 0
