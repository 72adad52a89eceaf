"""Several accounts of a service fit: a person says which one, and two where people are set up."""

from collections.abc import Mapping
from typing import Any

import pytest

from shared import audit
from shared.decide.approve import approve
from shared.directory.choose import choose
from shared.directory.confirm import Unconfirmable
from shared.directory.store import lists
from shared.domain.payment import HoldReason
from shared.domain.records import DirectoryRow
from shared.domain.request import Hold
from shared.payments import held
from shared.people.proposals import Proposal
from shared.people.prove import NotAllowed
from shared.providers.billcenter import bodies
from shared.providers.billcenter.account_choice import account_choice
from tests.support.flow import World
from tests.support.two_people import set_up

FIRST, SECOND, NORTH = "7000000001", "7000000002", "7000000003"


def listed(world: World, *accounts: tuple[str, str | None]) -> None:
    rows = [
        DirectoryRow(str(place), "140", {"account": account, "currency": "MNT", "khut_type": khut_type})
        for place, (account, khut_type) in enumerate(accounts)
    ]
    with world.runtime.database.transaction() as connection:
        lists.replace(connection, "safe", "bank_accounts", rows)


def taken(world: World, customer: str = "543210") -> str | HoldReason:
    """The account that a bill of this customer is paid to, by what a copy of the list says now."""
    with world.runtime.database.connection() as connection:
        from shared.directory.views import _read  # noqa: PLC0415

        rows: list[Mapping[str, Any]] = list(_read(connection, "safe").get(("bank_accounts", "140"), ()))
    target = bodies.Target(invoice_code="037000007", bs_customer_code=customer, biller_service_id=140)
    found = account_choice(target, rows, confirm_changed=True)
    return found.reason if isinstance(found, Hold) else found


def chosen(world: World, account: str, by: str = "Ann", **more: Any) -> Proposal | None:
    return choose(world.runtime.database, "safe", "140", account, by=by, reason="their letter", **more)


def test_the_one_that_a_person_chose_is_paid(world: World) -> None:
    listed(world, (FIRST, None), (SECOND, None))
    assert taken(world) is HoldReason.AMBIGUOUS_ACCOUNT
    before = world.value("SELECT version FROM directory_lists")
    assert chosen(world, SECOND) is None
    assert taken(world) == SECOND
    assert world.value("SELECT version FROM directory_lists") > before, "whoever has a copy reads it again"
    chosen(world, FIRST, "Bob")
    assert taken(world) == FIRST, "the last word counts"
    with world.runtime.database.connection() as connection:
        told = [(row["by_whom"], row["content"]["account"]) for row in audit.records(connection)]
    assert told == [("Ann", SECOND), ("Bob", FIRST)]


def test_it_holds_until_the_list_lacks_it(world: World) -> None:
    listed(world, (FIRST, None), (SECOND, None))
    chosen(world, SECOND)
    listed(world, (FIRST, None), (SECOND, None), (NORTH, None))
    assert taken(world) == SECOND
    listed(world, (FIRST, None), (NORTH, None))
    assert taken(world) is HoldReason.AMBIGUOUS_ACCOUNT
    listed(world, (FIRST, None), (SECOND, None), (NORTH, None))
    assert taken(world) is HoldReason.AMBIGUOUS_ACCOUNT, "it went away and came back: a person says so again"


def test_a_choice_is_a_branchs(world: World) -> None:
    listed(world, (FIRST, "5"), (SECOND, "5"), (NORTH, "6"))
    chosen(world, SECOND)
    assert (taken(world, "543210"), taken(world, "643210")) == (SECOND, NORTH)


def test_a_new_account_is_confirmed_by_being_chosen(world: World) -> None:
    listed(world, (FIRST, None))
    listed(world, (FIRST, None), (SECOND, None))
    chosen(world, SECOND)
    assert taken(world) == SECOND
    assert world.value("SELECT count(*) FROM bank_accounts WHERE to_confirm") == 0


def test_what_is_not_there_is_not_chosen(world: World) -> None:
    listed(world, (FIRST, "5"), (FIRST, "6"))
    with pytest.raises(Unconfirmable, match="2 accounts have this number"):
        chosen(world, FIRST)
    with pytest.raises(Unconfirmable, match="no open account"):
        chosen(world, NORTH)
    chosen(world, FIRST, khut_type="6")
    with pytest.raises(ValueError, match="reason"):
        choose(world.runtime.database, "safe", "140", FIRST, by="Ann", reason=" ", khut_type="5")


def test_it_takes_two_once_people_are_set_up(world: World) -> None:
    set_up(world)
    listed(world, (FIRST, None), (SECOND, None))
    made, other = chosen(world, SECOND), chosen(world, FIRST)
    assert isinstance(made, Proposal)
    assert isinstance(other, Proposal)
    assert taken(world) is HoldReason.AMBIGUOUS_ACCOUNT
    approve(world.runtime, made.id, "Bob")
    assert taken(world) == SECOND
    listed(world, (SECOND, None), (NORTH, None))
    with pytest.raises(NotAllowed, match="is void: there is no open account"):
        approve(world.runtime, other.id, "Bob")


def test_what_was_proposed_before_another_was_chosen_is_void(world: World) -> None:
    set_up(world)
    listed(world, (FIRST, None), (SECOND, None))
    made, other, late = chosen(world, FIRST), chosen(world, SECOND), chosen(world, SECOND)
    assert made
    assert other
    assert late
    approve(world.runtime, other.id, "Bob")
    with pytest.raises(NotAllowed, match="is void: another account is chosen"):
        approve(world.runtime, made.id, "Cat")
    assert taken(world) == SECOND
    again = chosen(world, FIRST)
    assert again
    listed(world, (FIRST, None), (SECOND, None), (NORTH, None))
    with pytest.raises(NotAllowed, match=r"is void: .* other ones are open"):
        approve(world.runtime, again.id, "Bob")
    assert taken(world) == SECOND


def test_what_is_held_is_told_with_its_sum(world: World) -> None:
    ids = [world.pay("safe") for _ in range(2)]
    world.execute(
        """UPDATE payments SET hold_reason = 'ambiguous_account', due_at = NULL,
            target = '{"biller_service_id": 140}'"""
    )
    with world.runtime.database.connection() as connection:
        waits = held.ambiguous(connection, "safe", "140")
        assert held.ambiguous(connection, "safe", "141") == []
    assert (len(waits), held.told(waits)) == (len(ids), "2 payments, 200.00 MNT")
