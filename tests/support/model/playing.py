"""How many games of the model are played, and how long each is."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.model.machine import Machine

STEPS = 25  # a step may be several waits, each with all the work that is due then


def play(url: str, games: int, *, same: bool = True) -> None:
    """Play so many; same: those that were played the last time. Raises what the first one raises that is lost, in its
    shortest form that was found."""
    how = settings(
        max_examples=games,
        stateful_step_count=STEPS,
        derandomize=same,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    machine: Any = lambda: Machine(url)  # noqa: E731 - a new game each time
    run_state_machine_as_test(machine, settings=how)
