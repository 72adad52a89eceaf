"""A contender's full rate: payments a second as the provider sees them, in the middle nine tenths of a run.

The start of the first senders and the end of the last ones are left out so. Nobody asks the database how far a run is
before the provider has had all of it: a count that grows with the run would be a load of its own.
"""

from collections.abc import Sequence

from tests.bench.contenders import Contender, until
from tests.bench.world import TIMEOUT_S, BenchStack

WARM_UP = 300
SETTLE_S = 10  # `plain` is done when the last request has arrived, not when it is answered
MIDDLE = 0.9


def warm_up(world: BenchStack, contender: Contender, run: str) -> None:
    """One that was just started has connections, tokens and caches afterwards."""
    world.answer_after(0)
    _pass(world, contender, f"{run}w", WARM_UP)


def full_rate(world: BenchStack, contender: Contender, latency_s: float, count: int, run: str) -> float:
    """Of one that is warm, with a provider that takes so long for an answer. Raises RuntimeError where the provider has
    not applied each once, TimeoutError where not all came to their end."""
    world.answer_after(latency_s)
    _pass(world, contender, run, count)
    times_s = world.applied_at()
    if len(times_s) != count:
        raise RuntimeError(f"{contender.name}: the provider applied {len(times_s)} of {count} payments")
    return middle_rate(times_s)


def middle_rate(times_s: Sequence[float]) -> float:
    """Of what came at these times (Unix), oldest first: how many a second in the middle nine tenths."""
    left_out = round(len(times_s) * (1 - MIDDLE) / 2)
    first, last = left_out, len(times_s) - 1 - left_out
    return (last - first) / (times_s[last] - times_s[first])


def _pass(world: BenchStack, contender: Contender, run: str, count: int) -> None:
    contender.feed(world, run, count)
    contender.go(world)
    ended(world, contender, run, count)


def ended(world: BenchStack, contender: Contender, run: str, count: int) -> None:
    """Wait until all payments of a run, the first since the sandbox forgot all, are done. Raises TimeoutError."""
    # A request that was sent again is counted, too: what is done is asked for then, and decides.
    until(lambda: world.requests() >= count, TIMEOUT_S, f"{contender.name}: the provider did not have all payments")
    contender.wait(world, run, count)
    until(lambda: world.applied() >= count, SETTLE_S, f"{contender.name}: the provider did not apply all payments")
