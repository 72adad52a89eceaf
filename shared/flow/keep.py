"""keep: write what must not be lost. While PostgreSQL does not answer, try again and claim nothing new."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from shared.flow.runtime import Runtime
from shared.store.engine import AWAY
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

Written = TypeVar("Written")


def until_written(runtime: Runtime, write: Callable[[], Written]) -> tuple[Written, bool]:
    """Call `write`, which has to be safe to repeat, until PostgreSQL answered it: its result, and whether an earlier
    try may have been committed without its answer having come."""
    try:
        return write(), False
    except AWAY:
        with runtime.gate.closed():
            return _again(write), True


def _again(write: Callable[[], Written]) -> Written:
    tries = 0
    while True:
        time.sleep(min(2.0, 0.1 * 2**tries) * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
        try:
            return write()
        except AWAY:
            tries = min(tries + 1, 10)
            log.warning("PostgreSQL does not answer; what happened is kept and written when it does")
