"""How many games of the model are played, and how long each is."""

from typing import Any

import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.model.game import Game
from tests.support.model.lost import Lost
from tests.support.model.machine import Machine
from tests.support.model.restored import Restored

STEPS = 25  # a step may be several waits, each with all the work that is due then


def play(url: str, games: int, *, same: bool = True) -> None:
    """Play so many; same: those that were played the last time. Raises what the first one raises that is lost, in its
    shortest form that was found."""
    _play(lambda: Machine(Game(url)), games, same=same)


def play_restored(url: str, client: "redis.Redis", games: int, *, same: bool = True) -> None:
    """Games whose database is restored now and then. client: of a broker that nobody else uses meanwhile."""
    _play(lambda: Restored(Lost(url, client)), games, same=same)


def _play(machine: Any, games: int, *, same: bool) -> None:
    how = settings(
        max_examples=games,
        stateful_step_count=STEPS,
        derandomize=same,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=how)
