"""Many parked payments decided at once: only by what the fresh looks show."""

from typing import Any

import pytest

from shared.database.engine import Connection
from shared.domain.answers import CheckResult
from shared.payments import bulk
from shared.payments.store import resolve as store
from shared.people.prove import NotAllowed
from tests.integration.rules.test_pair_rules import near, parked, seen
from tests.support.flow import APPLIED, World
from tests.support.two_people import approved, set_up, state_of


def planned(world: World, *looks: CheckResult) -> bulk.Plan:
    """The plan while the books show this, one look after another."""
    world.careful.verdicts.extend(looks)
    return bulk.plan(world.runtime, "careful")


def test_the_line_that_the_fresh_look_shows_too_is_taken(world: World) -> None:
    payment_id = parked(world, seen(near(world)))
    made = planned(world, seen(near(world)))
    assert [item.line for item in made.items] == ["P-7"]
    bulk.carry_out(world.runtime, made, reason="their list", by="Ann")
    assert world.state(payment_id) == "succeeded"


@pytest.mark.parametrize(
    ("doubt", "text"), [({"missing": 1}, None), ({"whole": False}, None), ({}, "cash desk 7")], ids=str
)
def test_what_speaks_against_it_in_the_fresh_look_counts(world: World, doubt: dict[str, Any], text: str | None) -> None:
    """The line may be another payment's, which succeeded since the look before."""
    parked(world, seen(near(world)))
    made = planned(world, seen(near(world) | {"marker": text}, **doubt))
    assert (made.items, [why for _, why in made.left_out]) == ([], ["the books show something else now"])


def test_what_the_looks_for_an_approval_show_is_written(world: World) -> None:
    set_up(world)
    shown, other = (parked(world, seen(near(world)), f"careful:{place}") for place in (1, 2))
    made = bulk.carry_out(world.runtime, planned(world, *[seen(near(world))] * 2), reason="their list", by="Ann")
    assert made is not None
    with pytest.raises(NotAllowed, match=r"is void: .* shop/ord-1 succeeded"):
        approved(world, made, APPLIED, seen(near(world)))
    assert (world.state(shown), world.state(other), state_of(world, made)) == ("succeeded", "parked", "void")


def test_lines_are_taken_in_one_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that take the same lines for other payments, crosswise, would wait for each other."""
    lines = [near(world) | {"line": line} for line in ("P-9", "P-7", "P-8")]
    for place, line in enumerate(lines):
        parked(world, seen(line), f"careful:{place}")
    made = planned(world, *[seen(line) for line in lines])
    taken = []
    true_take = store.take

    def take(connection: Connection, payment_id: int, line: str, by: str) -> str | None:
        taken.append(line)
        return true_take(connection, payment_id, line, by)

    monkeypatch.setattr(store, "take", take)
    bulk.carry_out(world.runtime, made, reason="their list", by="Ann")
    assert taken == ["P-7", "P-8", "P-9"]
