"""How long the tests of odd input look: the same inputs in every `make test`, others for as long as FUZZ says."""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import HealthCheck, settings

One = TypeVar("One")
Test = TypeVar("Test", bound=Callable[..., None])
_TIMES = int(os.environ.get("FUZZ", "1"))


def fuzzed(examples: int) -> Callable[[Test], Test]:
    """So many examples; FUZZ times as many, and others each time, where the environment has it (`make proof`)."""
    return settings(
        max_examples=examples * _TIMES,
        derandomize=_TIMES == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def some(every: Sequence[One], count: int) -> Sequence[One]:
    """About so many of them, the same in every run, evenly chosen; all of them where the environment has FUZZ."""
    return every if _TIMES > 1 else every[:: max(1, len(every) // count)]
