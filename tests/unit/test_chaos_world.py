"""The weather of chaos waits for what strikes alone."""

from pathlib import Path
from typing import Any, cast

from tests.chaos.plan import Plan
from tests.chaos.world import World


def _world() -> World:
    nothing = cast(Any, None)
    return World(Plan(1, 10, 10), nothing, nothing, Path(), [])


def test_what_strikes_alone_keeps_the_weather_waiting_beyond_its_time_alone() -> None:
    world = _world()
    with world.alone(60):
        assert not world.free.is_set()
        assert not world.waits()
    assert world.behind_s == 0
    with world.alone(0):
        assert world.waits()
    assert world.behind_s > 0
    assert world.free.is_set()
    assert not world.waits()


def test_the_weather_goes_on_where_the_strike_fails() -> None:
    world = _world()
    try:
        with world.alone(0):
            raise OSError
    except OSError:
        pass
    assert world.free.is_set()
    assert not world.waits()
