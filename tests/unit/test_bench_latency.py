"""What bench-latency makes of the moments that it saw, and at which it sends."""

import pytest

from tests.bench import latency
from tests.bench.latency import Asked, Load


def load(contender: str, p50_ms: float) -> Load:
    return Load(contender, "idle", 5, p50_ms, 2 * p50_ms, 3 * p50_ms, 1)


@pytest.mark.parametrize(
    ("share", "expected"), [(0, 1), (0.005, 1), (0.07, 7), (0.5, 50), (0.99, 99), (0.991, 100), (1, 100)]
)
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: float) -> None:
    assert latency.percentile([float(n) for n in range(100, 0, -1)], share) == expected
    assert latency.percentile([7.0], share) == 7


def test_a_ratio_is_the_median_of_the_rounds_and_not_that_of_the_medians() -> None:
    pairs = [(10, 5), (30, 60), (20, 20)]
    rounds = [
        {("idle", "settlepipe"): load("settlepipe", ours), ("idle", "naive"): load("naive", theirs)}
        for ours, theirs in pairs
    ]
    assert latency.ratio(rounds, "idle", "p50_ms") == 1
    assert latency.ratio(rounds[:1], "idle", "p99_ms") == 2


@pytest.mark.parametrize("name", latency.LOADS)
def test_both_get_the_same_moments_at_the_asked_rate(name: str) -> None:
    asked = Asked(name, 50, 4000)
    moments = asked.moments(3)
    assert moments == asked.moments(3) != asked.moments(4)
    assert moments == sorted(moments)
    assert len(moments) / moments[-1] == pytest.approx(50, rel=0.1)
