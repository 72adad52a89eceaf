"""When jobs are meant to run."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.slots import Daily, Every, When, between, following, latest

MORNING = Daily(time(4, 0), "Asia/Ulaanbaatar")  # 20:00 UTC the day before
WHENS: list[When] = [MORNING, Daily(time(2, 30), "Europe/Berlin"), Daily(time(0, 0)), Every(600), Every(86_400)]
MOMENTS = st.integers(0, 500_000_000).map(lambda s: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=s))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def test_a_daily_job_runs_at_the_providers_own_time() -> None:
    assert latest(MORNING, utc(2026, 11, 21, 19, 59)) == utc(2026, 11, 20, 20)
    assert latest(MORNING, utc(2026, 11, 21, 20, 0)) == utc(2026, 11, 21, 20)
    assert following(MORNING, utc(2026, 11, 21, 20, 0)) == utc(2026, 11, 22, 20)


def test_a_periodic_job_runs_on_whole_periods() -> None:
    assert latest(Every(600), utc(2026, 11, 21, 3, 9, 59)) == utc(2026, 11, 21, 3)
    assert following(Every(600), utc(2026, 11, 21, 3, 10)) == utc(2026, 11, 21, 3, 20)


def test_summer_time_makes_no_day_miss_or_repeat_its_slot() -> None:
    berlin = Daily(time(2, 30), "Europe/Berlin")  # 02:30 does not exist on 29 March 2026, twice on 25 October
    found = between(berlin, utc(2026, 3, 27), utc(2026, 3, 31), 10)
    assert [slot.astimezone(ZoneInfo("Europe/Berlin")).date().day for slot in found] == [27, 28, 29, 30]
    assert len(between(berlin, utc(2026, 10, 23, 12), utc(2026, 10, 27, 12), 10)) == 4


def test_only_the_newest_of_many_missed_slots_are_planned() -> None:
    found = between(Every(60), utc(2026, 1, 1), utc(2026, 2, 1), 3)
    assert found == [utc(2026, 1, 31, 23, 58), utc(2026, 1, 31, 23, 59), utc(2026, 2, 1)]


@pytest.mark.parametrize("when", WHENS, ids=str)
@given(moment=MOMENTS)
def test_no_slot_lies_between_the_latest_and_the_following(when: When, moment: datetime) -> None:
    last, after = latest(when, moment), following(when, moment)
    assert last <= moment < after
    assert after - last <= timedelta(hours=25)
    assert between(when, last, after, 9) == [after]
    assert following(when, last) == after
