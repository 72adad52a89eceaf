"""Bank accounts: what counts as a change, who confirmed it, and what a refresh that is not believed leaves behind."""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.database import migrations
from shared.directory import views
from shared.directory.confirm import Unconfirmable, confirm
from shared.directory.refresh import refresh
from shared.directory.store import accounts, lists
from shared.domain.records import DirectoryRow
from shared.providers.base import RefreshFailed
from tests.support.bank import until
from tests.support.flow import World, waits_for_lock

Rows = Sequence[DirectoryRow]
FIRST, SECOND, THIRD = "7000000001", "7000000002", "7000000003"


def row(account: str | None = FIRST, item_id: str = "1", service: int = 140, **data: Any) -> DirectoryRow:
    return DirectoryRow(item_id, str(service), {"account": account, "bank_code": "50000", "khut_type": None} | data)


def listed(world: World, *rows: DirectoryRow, kind: str = "bank_accounts") -> list[str]:
    """Replace the list as a refresh does; the changes that it asks about."""
    with world.runtime.database.transaction() as connection:
        replaced = lists.replace(connection, "safe", kind, rows)
    return [change["change"] for change in replaced.changes]


def confirmed(world: World, account: str, by: str = "operator-1", **more: Any) -> dict[str, Any]:
    row = confirm(world.runtime.database, "safe", "140", account, by=by, **more)
    assert isinstance(row, dict), "nobody is set up"
    return row


def waiting(world: World) -> list[str]:
    """The numbers that the provider's adapter sees as not confirmed."""
    with world.runtime.database.connection() as connection:
        found = views._read(connection, "safe")
    return [r["account"] for rows in found.values() for r in rows if r["account"] and r.get("confirmed") is False]


def told(world: World) -> list[dict[str, Any]]:
    return world.rows("SELECT * FROM events WHERE type = 'settlepipe.account.changed' ORDER BY id")


def kept(world: World) -> list[Any]:
    """All that a refresh may change."""
    return [
        world.rows(f"SELECT * FROM {table} ORDER BY 1, 2")
        for table in ("directory_rows", "directory_lists", "bank_accounts", "events")
    ]


def refreshing(world: World, fetch: Callable[[], Rows]) -> None:
    """Refresh as a process does, with a provider whose list this is."""
    connected: Any = world.runtime.connected
    connected["safe"] = dataclasses.replace(connected["safe"], refreshes={"bank_accounts": fetch})
    refresh(world.runtime, "safe", "bank_accounts")


BRANCHES = [row(f"700000010{branch}", f"1{branch}", 1, khut_type=str(branch)) for branch in range(1, 4)]

# Each step: the list as it comes, and what has to be confirmed because of it.
WAYS: list[tuple[str, list[tuple[Rows, list[str]]]]] = [
    ("the first accounts of a service", [([row(), row(SECOND, "2"), *BRANCHES], [])]),
    ("the same list again", [([row()], []), ([row()], [])]),
    ("another number", [([row()], []), ([row(SECOND)], ["changed"]), ([row(SECOND)], [])]),
    ("another bank", [([row()], []), ([row(bank_code="60000")], ["changed"])]),
    ("another branch", [(BRANCHES, []), ([row("7000000101", "11", 1, khut_type="9"), *BRANCHES[1:]], ["changed"])]),
    ("no branch any more", [(BRANCHES, []), ([row("7000000101", "11", 1)], ["changed"])]),
    ("one more account", [([row()], []), ([row(), row(SECOND, "2")], ["added"])]),
    ("another row with another number", [([row()], []), ([row(SECOND, "2")], ["added"])]),
    (
        "an account that moves between services",
        [([row(), row(SECOND, "2", 7)], []), ([row(), row(SECOND, "2")], ["added"])],
    ),
    ("the same account in another row", [([row()], []), ([row(item_id="2")], [])]),
    ("the same account in two rows", [([row()], []), ([row(), row(item_id="2")], [])]),
    ("what decides nothing", [([row()], []), ([row(bank_name="B", updated_at="2026", account_name="x")], [])]),
    ("none and empty", [([row(bank_code=None)], []), ([row(bank_code="", khut_type="")], [])]),
    ("a new service", [([row()], []), ([row(), row(SECOND, "2", 7)], [])]),
    ("gone and back", [([row()], []), ([row(SECOND)], ["changed"]), ([row()], []), ([row(SECOND)], ["changed"])]),
    ("a service that was gone", [([row(), *BRANCHES], []), (BRANCHES, []), ([row(SECOND), *BRANCHES], ["added"])]),
    ("a row that had no number", [([row(None)], []), ([row()], []), ([row(None)], []), ([row(SECOND)], ["changed"])]),
    ("two at once", [([row()], []), ([row(SECOND), row(THIRD, "2")], ["changed", "added"])]),
]


@pytest.mark.parametrize("steps", [pytest.param(steps, id=name) for name, steps in WAYS])
def test_what_counts_as_a_change(world: World, steps: list[tuple[Rows, list[str]]]) -> None:
    for place, (rows, changes) in enumerate(steps):
        assert listed(world, *rows) == changes, f"step {place}"
    assert len(told(world)) == sum(len(changes) for _, changes in steps)


def test_only_the_list_of_bank_accounts_has_changes(world: World) -> None:
    assert listed(world, row(), kind="services") == []
    assert listed(world, row(SECOND), kind="services") == []
    assert (waiting(world), told(world)) == ([], [])


def test_a_change_waits_until_it_is_confirmed_whatever_else_changes_in_its_row(world: World) -> None:
    listed(world, row())
    assert waiting(world) == []
    listed(world, row(SECOND))
    listed(world, row(SECOND, updated_at="later"))
    assert waiting(world) == [SECOND]
    assert confirmed(world, SECOND)["to_confirm"]
    assert waiting(world) == []
    listed(world, row(SECOND, updated_at="later still", bank_name="Another name"))
    assert waiting(world) == []
    listed(world, row())
    assert listed(world, row(SECOND)) == []  # known by now
    assert waiting(world) == []


@pytest.mark.parametrize("other", [{"khut_type": "9"}, {"bank_code": "60000"}], ids=["branch", "bank"])
def test_the_same_number_is_trusted_only_where_it_was(world: World, other: dict[str, str]) -> None:
    trusted = BRANCHES[0]
    listed(world, trusted)
    listed(world, trusted, DirectoryRow("20", "1", {**trusted.data, **other}))
    copy = views.CachedDirectory(world.runtime.database, "safe")
    assert [r.get("confirmed", True) for r in copy.rows("bank_accounts", "1")] == [True, False]


def test_an_account_of_one_service_is_not_trusted_for_another(world: World) -> None:
    others = [row(), row(SECOND, "2", 7)]
    listed(world, *others)
    listed(world, *others, row(SECOND, "3"))
    assert waiting(world) == [SECOND]


def test_the_event_of_a_change_has_no_number(world: World) -> None:
    listed(world, *BRANCHES)
    listed(world, *BRANCHES[1:], row(SECOND, "11", 1, khut_type="1"))
    [event] = told(world)
    number = world.value("SELECT id FROM bank_accounts WHERE account = %s", SECOND)
    at = world.value("SELECT utc_text(since) FROM bank_accounts WHERE id = %s", number)
    assert (event["event_id"], event["subject"]) == (f"a{number}-1", "safe/1")
    assert event["data"] == {
        "provider": "safe",
        "biller_service": "1",
        "khut_type": "1",
        "change": "changed",
        "at": at,
    }
    assert SECOND not in str(event)


def test_a_change_is_warned_of_without_its_number(world: World) -> None:
    refreshing(world, lambda: [row()])
    with capture_logs() as logs:
        refreshing(world, lambda: [row(SECOND)])
        confirmed(world, SECOND)
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [(entry["provider"], entry["biller_service"], entry["change"]) for entry in warnings] == [
        ("safe", "140", "changed")
    ]
    assert SECOND not in str(logs)
    assert "operator-1" not in str(logs)


def test_who_confirmed_first_stays(world: World) -> None:
    listed(world, row())
    listed(world, row(SECOND))
    confirmed(world, SECOND)
    before = kept(world)
    again = confirmed(world, SECOND, by="operator-2")
    assert (again["to_confirm"], again["confirmed_by"]) == (False, "operator-1")
    assert kept(world) == before


def test_a_first_account_is_confirmed_by_nobody(world: World) -> None:
    listed(world, row())
    before = kept(world)
    found = confirmed(world, FIRST)
    assert (found["to_confirm"], found["confirmed_by"]) == (False, None)
    assert kept(world) == before


def test_an_account_that_is_not_there_can_not_be_confirmed(world: World) -> None:
    listed(world, row())
    listed(world, row(SECOND))
    listed(world, row())
    before = kept(world)
    for account, reason in ((SECOND, "closed"), (THIRD, "no such account")):
        with pytest.raises(Unconfirmable, match=reason) as caught:
            confirmed(world, account)
        assert account not in str(caught.value)
    for name in ("", "  ", "x" * 101, "a\x00b"):
        with pytest.raises(ValueError, match="characters"):
            confirmed(world, FIRST, by=name)
    assert kept(world) == before


def test_a_number_that_waits_twice_has_to_be_named_exactly(world: World) -> None:
    listed(world, row())
    listed(world, row(SECOND, bank_code="1"), row(SECOND, "2", bank_code="2"), row(SECOND, "3", khut_type="3"))
    with pytest.raises(Unconfirmable, match="--bank"):
        confirmed(world, SECOND)
    confirmed(world, SECOND, bank_code="2")
    confirmed(world, SECOND, khut_type="3")
    open_rows = world.rows("SELECT bank_code, to_confirm FROM bank_accounts WHERE account = %s ORDER BY 1", SECOND)
    assert [(r["bank_code"], r["to_confirm"]) for r in open_rows] == [("1", True), ("2", False), ("50000", False)]
    confirmed(world, SECOND)  # one is left
    assert waiting(world) == []


def test_a_copy_of_the_list_notices_a_confirmation(world: World) -> None:
    listed(world, row())
    listed(world, row(SECOND))
    copy = views.CachedDirectory(world.runtime.database, "safe", fresh_s=0)
    assert copy.rows("bank_accounts", "140")[0]["confirmed"] is False
    confirmed(world, SECOND)
    assert "confirmed" not in copy.rows("bank_accounts", "140")[0]


def test_an_account_that_an_older_version_listed_waits(world: World) -> None:
    """Its processes replace the list without keeping its accounts."""
    listed(world, row())
    world.execute("UPDATE directory_rows SET data = data || jsonb_build_object('account', %s::text)", SECOND)
    assert waiting(world) == [SECOND]


def test_dying_before_the_commit_of_a_refresh_leaves_everything(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(world, row())
    before = kept(world)
    follow = accounts.follow

    def die(*given: Any) -> Any:
        assert follow(*given)  # it is written
        raise RuntimeError("killed")

    monkeypatch.setattr(accounts, "follow", die)
    with pytest.raises(RuntimeError, match="killed"):
        refreshing(world, lambda: [row(SECOND)])
    assert kept(world) == before
    monkeypatch.undo()
    refreshing(world, lambda: [row(SECOND)])
    assert len(told(world)) == 1


def test_dying_before_the_commit_of_a_confirmation_leaves_everything(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(world, row())
    listed(world, row(SECOND))
    before = kept(world)
    write = accounts.confirm

    def die(*given: Any) -> None:
        write(*given)
        raise RuntimeError("killed")

    monkeypatch.setattr(accounts, "confirm", die)
    with pytest.raises(RuntimeError, match="killed"):
        confirmed(world, SECOND)
    assert kept(world) == before


@pytest.mark.parametrize("rows", [[], [row(SECOND)]], ids=["empty", "another"])
def test_a_list_that_was_refreshed_meanwhile_is_not_replaced(world: World, rows: list[DirectoryRow]) -> None:
    """Which of the two is older can't be told; the older one would bring a closed account back."""

    def overtaken() -> Rows:
        listed(world, row(THIRD))
        return rows

    listed(world, row())
    with pytest.raises(RefreshFailed, match="same time"):
        refreshing(world, overtaken)
    assert world.value("SELECT account FROM bank_accounts WHERE closed_at IS NULL") == THIRD


def test_a_confirmation_does_not_disturb_a_refresh(world: World) -> None:
    def confirmed_meanwhile() -> Rows:
        confirmed(world, SECOND)
        return [row(SECOND)]

    listed(world, row())
    listed(world, row(SECOND))
    refreshing(world, confirmed_meanwhile)
    assert waiting(world) == []


def test_an_empty_list_is_believed_only_where_there_was_none(world: World) -> None:
    refreshing(world, list)
    refreshing(world, lambda: [row()])
    before = kept(world)
    with pytest.raises(RefreshFailed, match="empty list"):
        refreshing(world, list)
    assert kept(world) == before


@pytest.mark.parametrize(("account", "outcome"), [(SECOND, "this account is closed"), (THIRD, "confirmed")])
def test_confirming_waits_for_a_refresh_that_goes_on(world: World, account: str, outcome: str) -> None:
    listed(world, row())
    listed(world, row(SECOND))
    outcomes: list[str] = []

    def try_to_confirm() -> None:
        try:
            confirmed(world, account)
            outcomes.append("confirmed")
        except Unconfirmable as error:
            outcomes.append(str(error).partition(" at ")[0])

    with world.runtime.database.transaction() as connection:
        lists.replace(connection, "safe", "bank_accounts", [row(THIRD)])
        thread = threading.Thread(target=try_to_confirm)
        thread.start()
        until(lambda: waits_for_lock(world.connection), True)
    thread.join(120)
    assert outcomes == [outcome]
    assert waiting(world) == ([] if outcome == "confirmed" else [THIRD])


def test_the_accounts_of_an_older_database_are_known(world: World) -> None:
    """The migration's last statement, on lists that were refreshed before it."""
    with open(f"{migrations.__path__[0]}/versions/0005_accounts.sql", encoding="utf-8") as file:
        backfill = file.read().rpartition("INSERT INTO")
    listed(world, row(), row(THIRD, "3", 7))
    listed(world, row(SECOND), row(None, "9"), *BRANCHES)
    world.execute("TRUNCATE bank_accounts")
    world.execute("".join(backfill[1:]))
    assert waiting(world) == []
    assert listed(world, row(SECOND), *BRANCHES) == []
    # What was closed before the upgrade is asked about when it returns: nobody knows how it came to be there.
    assert listed(world, row(), row(THIRD, "3", 7), *BRANCHES) == ["changed", "added"]
