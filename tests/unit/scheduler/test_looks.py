"""How often the dispatcher tidies a lane: at a pace, and rarely where it takes long."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from scheduler import dispatcher
from scheduler.dispatcher import Looks
from scheduler.turns import Turns
from shared.payments.dispatch import Looked
from shared.settings.sections import ProviderSettings


class Clock:
    """Stands still but for what a look takes."""

    def __init__(self, takes_s: float) -> None:
        self.now_s, self.takes_s, self.tidied = 100.0, takes_s, list[bool]()

    def monotonic(self) -> float:
        return self.now_s

    def look(self, *_: Any, tidy: bool) -> Looked:
        self.tidied.append(tidy)
        if tidy:
            self.now_s += self.takes_s
        return Looked()


@pytest.mark.parametrize(("takes_s", "pause_s"), [(0.001, 0.5), (0.2, 4.0)])
def test_a_lane_is_tidied_at_first_and_then_after_a_pause_that_grows_with_what_it_takes(
    monkeypatch: pytest.MonkeyPatch, takes_s: float, pause_s: float
) -> None:
    clock, looks = Clock(takes_s), Looks(Turns(["billcenter", "ubill"], 0.5))
    runtime, app = (
        cast(Any, SimpleNamespace(settings=SimpleNamespace(provider=lambda _: ProviderSettings()))),
        cast(Any, None),
    )
    monkeypatch.setattr(dispatcher, "time", clock)
    monkeypatch.setattr(dispatcher, "look", clock.look)
    looks.look(runtime, "billcenter", app)
    clock.now_s += pause_s - 0.01
    looks.look(runtime, "billcenter", app)
    looks.look(runtime, "ubill", app)  # each lane by itself
    clock.now_s += 0.01
    looks.look(runtime, "billcenter", app)
    assert clock.tidied == [True, False, True, True]
