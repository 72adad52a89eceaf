"""How often the dispatcher tidies a lane: at a pace, and rarely where it takes long."""

from typing import Any, cast

import pytest

from scheduler import dispatcher
from scheduler.dispatcher import Looks


class Clock:
    """Stands still but for what a look takes."""

    def __init__(self, takes_s: float) -> None:
        self.now_s, self.takes_s, self.tidied = 100.0, takes_s, list[bool]()

    def monotonic(self) -> float:
        return self.now_s

    def look(self, *_: Any, tidy: bool) -> None:
        self.tidied.append(tidy)
        if tidy:
            self.now_s += self.takes_s


@pytest.mark.parametrize(("takes_s", "pause_s"), [(0.001, 0.5), (0.2, 4.0)])
def test_a_lane_is_tidied_at_first_and_then_after_a_pause_that_grows_with_what_it_takes(
    monkeypatch: pytest.MonkeyPatch, takes_s: float, pause_s: float
) -> None:
    clock, looks, none = Clock(takes_s), Looks(), cast(Any, None)
    monkeypatch.setattr(dispatcher, "time", clock)
    monkeypatch.setattr(dispatcher, "look", clock.look)
    looks.look(none, "billcenter", none)
    clock.now_s += pause_s - 0.01
    looks.look(none, "billcenter", none)
    looks.look(none, "ubill", none)  # each lane by itself
    clock.now_s += 0.01
    looks.look(none, "billcenter", none)
    assert clock.tidied == [True, False, True, True]
