"""`settlepipe discrepancies`: list, show, what people do about one, and sign a day."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.cli.main import main
from tests.support.flow import World, running_world
from tests.support.nights import Night
from tests.support.reconciled import eventful


@pytest.fixture
def night(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A night that found a missing payment of 100.00 and a stranger's 20.00 that would steer a terminal."""
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", database_url)
    with running_world(database_url) as world:
        night = Night(world)
        night.payment("7", 100)
        night.compare(night.line("7", 20, "\x1b[2J cash", reference="R-1"))
        yield night


@pytest.fixture
def compared(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A night of ubill's that was compared, and may be signed."""
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", database_url)
    with running_world(database_url) as world:
        world.execute("INSERT INTO lanes (provider) VALUES ('ubill') ON CONFLICT DO NOTHING")
        eventful(world.connection, provider="ubill")
        yield world


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["discrepancies", *arguments])
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_list_tells_programs_everything_with_amounts_as_text(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = ran(capsys, "list", "--json")
    assert status == 0
    missing, elsewhere = sorted(rows(out), key=lambda row: row["category"])
    assert missing["category"] == "missing_at_provider"
    assert (missing["payment"], missing["local_amount"], missing["provider_amount"]) == ("shop/ord-1", "100.00", "0.00")
    assert (elsewhere["account"], elsewhere["provider_amount"]) == ("7", "20.00")
    assert elsewhere["evidence"]["line"]["reference"] == "R-1"


def test_the_list_can_be_narrowed(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(rows(ran(capsys, "list", "--json", "--category", "paid_elsewhere")[1])) == 1
    assert ran(capsys, "list", "--json", "--provider", "mtn")[1] == ""
    status, _, err = ran(capsys, "list", "--category", "matched")
    assert (status, "there is no category matched" in err) == (2, True)
    assert ran(capsys, "list", "--provider", "nobody")[0] == 2


def test_people_see_a_table_that_steers_nothing(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = ran(capsys)
    assert status == 0
    assert "shop/ord-1" in out
    number = night.world.value("SELECT id FROM discrepancies WHERE category = 'paid_elsewhere'")
    status, out, _ = ran(capsys, "show", str(number))
    assert status == 0
    assert "\\x1b[2J cash" in out
    assert "\x1b" not in out


def test_closing_keeps_who_and_why_and_takes_it_off_the_list(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    number = str(night.world.value("SELECT id FROM discrepancies WHERE category = 'paid_elsewhere'"))
    assert ran(capsys, "close", number, "--reason", "cash at the desk", "--by", "Nomin")[0] == 0
    assert len(rows(ran(capsys, "--json")[1])) == 1
    (closed,) = [row for row in rows(ran(capsys, "list", "--all", "--json")[1]) if row["resolved_at"]]
    assert (closed["resolved_by"], closed["resolved_reason"]) == ("Nomin", "cash at the desk")
    status, _, err = ran(capsys, "close", number, "--reason", "again", "--by", "Bat")
    assert (status, "was closed before, by Nomin" in err) == (1, True)


def test_what_can_not_be_closed_says_why(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "close", "1", "--reason", " ", "--by", "Nomin")[0] == 2
    assert ran(capsys, "close", "99", "--reason", "why", "--by", "Nomin")[0] == 1
    assert ran(capsys, "show", "99")[0] == 1
    assert ran(capsys, "show", "0")[0] == 2


def test_one_is_assigned_commented_closed_by_code_and_opened_again(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    number = str(night.world.value("SELECT id FROM discrepancies WHERE category = 'paid_elsewhere'"))
    by = ("--by", "Nomin")
    assert ran(capsys, "assign", number, "--to", "Bat", "--due", "2026-12-05", *by)[0] == 0
    assert ran(capsys, "comment", number, "--reason", "asked \x1b[2J them", *by)[0] == 0
    assert ran(capsys, "close", number, "--code", "timing", "--reason", "next day", *by)[0] == 0
    assert ran(capsys, "reopen", number, "--reason", "no", *by)[0] == 0
    (row,) = rows(ran(capsys, "list", "--owner", "Bat", "--json")[1])
    assert (row["owner"], row["due"], row["closing_code"]) == ("Bat", "2026-12-05", None)
    assert [note["deed"] for note in row["notes"]] == ["assigned", "comment", "closed", "reopened"]
    status, out, _ = ran(capsys, "show", number)
    assert (status, "asked" in out, "\x1b" in out) == (0, True, False)
    assert "Bat, due" in ran(capsys)[1]
    assert ran(capsys, "list", "--owner", "Nobody", "--json")[1] == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("close", "1", "--reason", "x", "--code", "theft", "--by", "N"), "the codes are timing, fee"),
        (("assign", "1", "--to", "B", "--due", "soon", "--by", "N"), "is no day"),
        (("assign", "1", "--to", " ", "--by", "N"), "name of who is in charge must have"),
        (("assign", "1", "--to", "B", "--due", "1066-01-01", "--by", "N"), "must lie between"),
        (("comment", "1", "--reason", " ", "--by", "N"), "the comment must have"),
        (("sign", "ubill", "--date", "2026-11-21", "--as", "seen", "--by", "N"), "--as prepared or reviewed"),
        (("sign", "nobody", "--date", "2026-11-21", "--as", "prepared", "--by", "N"), "nobody"),
    ],
)
@pytest.mark.usefixtures("night")
def test_wrong_use_says_what_is_right(given: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = ran(capsys, *given)
    assert (status, said in " ".join(err.split())) == (2, True), err


def test_a_day_is_signed_once_in_each_role(compared: World, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("sign", "ubill", "--date", "2026-11-21", "--by", "Nomin")
    status, _, err = ran(capsys, *given, "--as", "reviewed")
    assert (status, "has to be prepared before" in err) == (1, True)
    status, out, _ = ran(capsys, *given, "--as", "prepared")
    assert (status, "settlepipe reconcile ubill --date 2026-11-21" in out) == (0, True)
    status, _, err = ran(capsys, *given, "--as", "prepared")
    assert (status, "was prepared before, by Nomin" in err) == (1, True)
    assert ran(capsys, *given, "--as", "reviewed")[0] == 0
    status, _, err = ran(capsys, "sign", "mtn", "--date", "2026-11-21", "--by", "Nomin", "--as", "prepared")
    assert (status, "was not compared" in err) == (1, True)


def test_days_are_listed_with_what_was_signed_and_how_they_are_signed_next(
    compared: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def told() -> dict[str, Any]:
        (row,) = rows(ran(capsys, "days", "--provider", "ubill", "--date", "2026-11-21", "--json")[1])
        return row

    def does(command: str) -> tuple[int, str, str]:
        return ran(capsys, *command.removeprefix("settlepipe discrepancies ").split(), "--by", "Nomin")

    first = told()
    assert (first["says"], first["signatures"]) == ("to be prepared", [])
    assert first["next"].endswith(f"sign ubill --date 2026-11-21 --as prepared --books {first['books'][:12]}")
    assert does(first["next"])[0] == 0
    assert does(told()["next"])[0] == 0
    assert (told()["says"], told()["next"]) == ("signed", None)
    compared.execute(
        "UPDATE reconciliations SET totals = jsonb_set(totals, '{0,local_minor}', '1') WHERE provider = 'ubill'"
    )
    again = told()
    assert again["says"] == "changed since it was signed"
    assert [one["changed"] for one in again["signatures"]] == [True]
    status, _, err = does(first["next"])
    assert (status, "are other ones now" in " ".join(err.split())) == (1, True)
    assert does(again["next"])[0] == 0
    assert [one["version"] for one in told()["signatures"]] == [1, 2]
    shown = ran(capsys, "days")[1]
    assert told()["next"] in shown
    assert f"({first['books'][:12]}, changed since)" in shown
    assert ran(capsys, "days", "--provider", "mtn", "--json")[1] == ""
    assert ran(capsys, "days", "--provider", "nobody")[0] == 2
