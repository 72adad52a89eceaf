"""What the soak says of memory."""

import os

import pytest

from tests.bench import memory
from tests.bench.memory import Memory


def grown(*own: float) -> memory.Trend:
    """Of samples half a minute apart."""
    return memory.trend([30.0 * number for number in range(len(own))], [Memory(one, one + 5) for one in own])


def test_what_grows_by_a_tenth_in_half_an_hour_says_so() -> None:
    one = grown(*(95 + 10 * number / 60 for number in range(61)))
    assert one.slope == pytest.approx(0.1)
    assert (one.own, one.all) == pytest.approx((100, 105))
    assert (one.first, one.last) == pytest.approx((96, 104), abs=0.2)


def test_a_short_run_is_stretched_to_half_an_hour() -> None:
    assert grown(*(95 + 10 * number / 6 for number in range(7))).slope == pytest.approx(1)


def test_what_stays_has_no_slope_and_one_high_sample_moves_no_fifth() -> None:
    one = grown(100, 100, 100, 100, 100, 900, 100, 100, 100, 100, 100, 100)
    assert (one.first, one.last) == (100, 100)
    assert grown(100, 100, 100).slope == 0


def test_a_process_has_memory_of_its_own_and_one_that_ended_has_none() -> None:
    alone = memory.of([os.getpid()])
    assert 1 < alone.own <= alone.all < 10_000
    assert memory.of([os.getpid(), 2**22 + 1]).own == pytest.approx(alone.own, rel=0.5)
    with pytest.raises(RuntimeError, match="Linux"):
        memory.of([2**22 + 1])
