"""What bench-backlog makes of the moments at which payments were applied."""

import pytest

from tests.bench import backlog
from tests.bench.backlog import Drain


def test_the_busiest_second_begins_anywhere_and_its_end_is_not_in_it() -> None:
    times_s = [0.0, 0.9, 1.0, 1.5, 1.8, 2.0, 9.0]
    assert backlog.busiest(times_s) == 4  # 0.9 until 1.9, or 1.0 until 2.0
    assert backlog.busiest_whole(times_s) == 3
    assert backlog.busiest([5.0] * 3) == backlog.busiest_whole([5.0] * 3) == 3
    assert backlog.busiest([]) == backlog.busiest_whole([]) == 0


def test_quarters_show_a_drain_that_slows_down() -> None:
    times_s = [n / 100 for n in range(100)] + [1 + n / 10 for n in range(100)]
    first, second, third, fourth = backlog.quarters(times_s)
    assert first == pytest.approx(100)
    assert second == pytest.approx(100)
    assert third == pytest.approx(10)
    assert fourth == pytest.approx(10)


def test_a_drain_is_compared_with_the_rates_beside_it_or_with_its_limit() -> None:
    def drain(limit_per_s: float | None, full_per_s: tuple[float, ...], drain_s: float) -> Drain:
        return Drain(900, limit_per_s, full_per_s, 20, drain_s, (), busiest=0, busiest_whole=0, busiest_later=0)

    assert drain(None, (280, 320), 3).ratio == 1
    assert drain(100, (), 10).ratio == pytest.approx(0.9)
