"""A plan is its seed, can be written and read, and is made as short as it gets."""

import random
from itertools import pairwise

import pytest

from tests.chaos import plan as plans
from tests.chaos.kinds import KINDS, chosen
from tests.chaos.plan import Plan, Strike
from tests.chaos.shrink import shrink


def _drawn(seed: int) -> Plan:
    return plans.draw(seed, 60, 100, chosen(""))


def test_the_same_seed_draws_the_same_plan_and_another_another() -> None:
    assert _drawn(1) == _drawn(1)
    assert _drawn(1).strikes != _drawn(2).strikes


def test_a_plan_that_is_written_is_read_as_it_was() -> None:
    strikes = _drawn(3).strikes
    assert len(strikes) > 20
    assert plans.read(plans.written(strikes)) == strikes


def test_what_takes_the_same_for_itself_does_not_overlap() -> None:
    for seed in range(20):
        alone = [one for one in _drawn(seed).strikes if one.where == "postgres"]
        for one, next_ in pairwise(alone):
            assert next_.at_s >= one.at_s + one.length_s


def test_every_kind_comes_in_a_long_plan() -> None:
    drawn = plans.draw(4, 600, 100, chosen(""))
    assert {one.kind for one in drawn.strikes} == KINDS.keys()


def test_a_lean_plan_strikes_no_process_that_is_not_there() -> None:
    drawn = plans.draw(5, 600, 100, chosen("", lean=True), lean=True)
    assert not [one for one in drawn.strikes if one.where.endswith("-2") or "job" in one.where]


@pytest.mark.parametrize("guilty", [{0}, {7}, {2, 11}, {0, 9, 15}], ids=str)
def test_a_failing_plan_is_made_as_short_as_it_gets(guilty: set[int]) -> None:
    plan = Plan(1, 10, 10, strikes=tuple(Strike(at_s, "kill_worker", "worker-mtn-1") for at_s in range(16)))

    def fails(one: Plan) -> bool:
        return guilty <= {round(strike.at_s) for strike in one.strikes}

    least = shrink(plan, fails, 10, lambda _: None, tries=1)
    assert {round(strike.at_s) for strike in least.strikes} == guilty


def test_a_failure_that_comes_now_and_then_is_not_taken_for_gone() -> None:
    rng = random.Random(6)
    plan = Plan(1, 10, 10, strikes=tuple(Strike(at_s, "kill_worker", "worker-mtn-1") for at_s in range(8)))

    def fails(one: Plan) -> bool:
        return any(strike.at_s == 3 for strike in one.strikes) and rng.random() < 0.7

    least = shrink(plan, fails, 10, lambda _: None, tries=10)
    assert [strike.at_s for strike in least.strikes] == [3]


def test_a_plan_that_fails_without_any_fault_needs_none() -> None:
    plan = Plan(1, 10, 10, strikes=(Strike(1, "kill_worker", "worker-mtn-1"),))
    assert shrink(plan, lambda _: True, 10, lambda _: None).strikes == ()
