"""A contender's full rate: payments a second from when its workers may begin until the last payment is done."""

import time

from tests.bench.contenders import Contender
from tests.bench.world import BenchStack

WARM_UP = 300
SETTLE_S = 10  # `plain` is done when the last request has arrived, not when it is answered


def warm_up(world: BenchStack, contender: Contender, run: str) -> None:
    """One that was just started has connections, tokens and caches afterwards."""
    world.answer_after(0)
    _pass(world, contender, f"{run}w", WARM_UP)


def full_rate(world: BenchStack, contender: Contender, latency_s: float, count: int, run: str) -> float:
    """Of one that is warm, with a provider that takes so long for an answer. Raises RuntimeError where the provider has
    not applied each once."""
    world.answer_after(latency_s)
    seconds = _pass(world, contender, run, count)
    _verify(world, contender, count)
    return count / seconds


def _pass(world: BenchStack, contender: Contender, run: str, count: int) -> float:
    contender.feed(world, run, count)
    began = time.perf_counter()
    contender.go(world)
    contender.wait(world, run, count)
    return time.perf_counter() - began


def _verify(world: BenchStack, contender: Contender, count: int) -> None:
    """A rate of payments that were not all settled, or some twice, is worth nothing."""
    deadline = time.monotonic() + SETTLE_S
    while (applied := world.applied()) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    if applied != count:
        raise RuntimeError(f"{contender.name}: the provider applied {applied} of {count} payments")
