"""What the page *Now* shows is gathered in the background, whole and without keeping anybody waiting."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.metrics import read
from shared.metrics.read import Hour
from shared.runtime import Runtime
from worker.web.rooms.gathering import Gathered, Now

TEN = datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_an_hour_that_was_looked_at_before_it_was_over_is_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []

    def outcomes(_: Any, begins: datetime, __: datetime, ___: float) -> Hour:
        asked.append(begins)
        return Hour(accepted=len(asked))

    monkeypatch.setattr(read, "outcomes", outcomes)
    now = Now(cast("Runtime", SimpleNamespace(database=None)))
    for at in (TEN + timedelta(minutes=5), TEN + timedelta(hours=1, seconds=5), TEN + timedelta(hours=1, minutes=5)):
        day = dict(now._day(at))
    assert day[TEN] == Hour(accepted=len(asked) - asked[::-1].index(TEN)), "its last count is the one that is shown"
    assert asked.count(TEN) == 3, "while it went on, while its last transactions may go on, and then for good"
    assert now._day(TEN + timedelta(hours=1, minutes=9))
    assert asked.count(TEN) == 3


def test_who_asks_does_not_wait_for_a_look_that_failed() -> None:
    def fails() -> int:
        raise OSError("made up")

    found, began = Gathered(fails), time.monotonic()
    assert found.get() is None
    assert found.get() is None
    assert time.monotonic() - began < 4
