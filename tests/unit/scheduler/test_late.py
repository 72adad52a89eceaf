"""How late a job is: by its oldest slot that came and is not done, planned or not."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.late import late_s
from scheduler.schedule import CatchUp, Job
from scheduler.slots import Every

HOURLY = Job("a", Every(3600), "", CatchUp.LATEST, 60, lambda *_: "")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOW = NOON + timedelta(minutes=10)


@pytest.mark.parametrize(
    ("newest", "unfinished", "late_min"),
    [
        (NOON, None, 0),  # the last one is done, the next is still to come
        (NOON, NOON, 10),  # the last one has no end
        (NOON, NOON - timedelta(hours=2), 130),  # nor has an older one
        (NOON - timedelta(hours=1), None, 10),  # nobody planned the last one
        (NOON - timedelta(hours=3), None, 130),  # nor those before it
        (None, None, 10),  # nothing was ever planned
    ],
)
def test_the_oldest_slot_that_is_not_done_says_how_late_it_is(
    newest: datetime | None, unfinished: datetime | None, late_min: float
) -> None:
    assert late_s(HOURLY, newest, unfinished, NOW) == late_min * 60
