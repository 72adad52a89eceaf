"""Many parked payments decided at once: only by what the fresh looks show."""

from typing import Any

import pytest

from shared.domain.answers import CheckResult
from shared.payments import bulk
from tests.integration.rules.test_pair_rules import near, parked, seen
from tests.support.flow import World


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
