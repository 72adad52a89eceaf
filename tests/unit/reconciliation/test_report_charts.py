"""The charts are true to their numbers, and show what is small beside what is large."""

import pytest

from shared.reconciliation.report import charts


def test_a_bar_is_as_long_as_its_parts() -> None:
    parts = charts.bar({"agrees": 75, "watch": 0, "act": 25}, 100)
    assert [(part.kind, part.x, part.width) for part in parts] == [("agrees", 0, 75), ("act", 75, 25)]


def test_one_in_a_million_stays_visible_and_the_bar_stays_in_its_frame() -> None:
    agrees, watch, act = charts.bar({"agrees": 999_998, "watch": 1, "act": 1}, 1_000_000)
    assert watch.width > 0.5
    assert act.width > 0.5
    assert act.x + act.width == pytest.approx(100, abs=0.02)
    assert agrees.x + agrees.width == pytest.approx(watch.x, abs=0.02)


def test_an_amount_below_zero_has_the_length_of_its_size() -> None:
    assert charts.length(-50, 200) == 25
    assert charts.length(0, 200) == 0
    assert charts.length(0, 0) == 0


def test_columns_stand_on_each_other_and_have_their_share_of_the_scale() -> None:
    drawn = charts.day([{"succeeded": 30, "refused": 10}, {"succeeded": 0, "refused": 0}])
    succeeded, refused = drawn.columns[0]
    assert drawn.columns[1] == []
    assert [tick.count for tick in drawn.ticks] == [0, 10, 20, 30, 40]
    assert succeeded.height == pytest.approx(3 * refused.height, abs=0.02)
    assert refused.y + refused.height == pytest.approx(succeeded.y, abs=0.02)
    assert refused.y == pytest.approx(drawn.ticks[-1].y, abs=0.02)
    assert succeeded.y + succeeded.height == pytest.approx(charts.HEIGHT - charts.BOTTOM)


@pytest.mark.parametrize(("most", "top"), [(0, 1), (1, 1), (3, 3), (7, 8), (41, 60), (999_999, 1_000_000)])
def test_the_scale_is_of_round_numbers_and_reaches_the_highest(most: int, top: int) -> None:
    ticks = charts.day([{"succeeded": most}]).ticks
    assert ticks[-1].count == top
    assert len(ticks) <= 5
