"""Every open payment has a next step, in a sentence."""

import pytest

from shared.domain.next_step import next_step
from shared.domain.payment import FINAL, HoldReason, State


@pytest.mark.parametrize("state", State)
def test_what_is_not_final_has_a_next_step(state: State) -> None:
    said = next_step(state, None, "2026-11-21T03:24:12Z", lane_runs=True)
    assert (said is None) == (state in FINAL)
    assert said is None or ("2026-11-21T03:24:12Z" in said) == (state is not State.PARKED)


@pytest.mark.parametrize("reason", HoldReason)
def test_a_held_one_says_what_it_waits_for(reason: HoldReason) -> None:
    assert next_step(State.ACCEPTED, reason, None, lane_runs=True) != next_step(
        State.ACCEPTED, None, None, lane_runs=True
    )


def test_where_the_lane_stands_still_that_is_said_first_but_for_what_a_person_decides() -> None:
    assert str(next_step(State.WAITING, None, "then", lane_runs=False)).startswith("its lane stands still")
    assert "lane" not in str(next_step(State.PARKED, None, None, lane_runs=False))
