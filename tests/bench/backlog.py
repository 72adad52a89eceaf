"""`make bench-backlog`: how fast what came while a provider was away is sent once it is back, and whether a rate holds.

billcenter answers every request with 503, its lane's circuit breaker opens, and payments come: 100,000 of them, all
accepted. Then it answers again. Until its breaker's probe the lane stands still (BREAKER__OPEN_S at most, and what the
probe takes): that is told apart. The drain is from the first payment that the provider applies until the last, by the
times in the sandbox's ledger, which must hold each once. Its rate is compared with the full rate of the same running
product, measured as `make bench` does, before and after it: the ratio is by the mean of the two. The full rate has the
intake in it, the drain the depth of what is due.

Then the same with fewer payments and the lane's RATE_PER_S set: how many the provider applied in the busiest second,
wherever it begins, and in the busiest whole second of the clock, beside that limit.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import psycopg
import redis
from rich.console import Console
from rich.table import Table

from tests.bench.contenders import STREAM, Settlepipe, asked, started, submit, until
from tests.bench.full_rate import full_rate, warm_up
from tests.bench.world import PROVIDER, TIMEOUT_S, BenchStack, intent, post, running, sizes

AIM = 0.9
STALL_S = 120  # nothing is sent for so long: it does not go on
_AT_ONCE = 5000  # intents made and put on the stream at a time
_LOOK_S = 0.2
_KNOWN = "SELECT count(*) FROM intent_keys WHERE source = %s"
_UNDER_WAY = "SELECT count(*) FROM payments WHERE provider = %s AND due_at IS NOT NULL"
_STANDS = "SELECT count(*) FROM lanes WHERE provider = %s AND NOT running"


@dataclass(frozen=True, slots=True)
class Drain:
    """What became of a backlog. stands_s: from the provider's return until the first payment was applied; drain_s: from
    then on until the last one. quarters: the rate of each quarter of the payments. busiest, busiest_whole: the most
    applied in any second, and in a whole one of the clock; busiest_later: in any one after the first. full_per_s:
    before and after; empty beside a limit."""

    payments: int
    limit_per_s: float | None
    full_per_s: Sequence[float]
    stands_s: float
    drain_s: float
    quarters: Sequence[float]
    busiest: int
    busiest_whole: int
    busiest_later: int

    @property
    def per_s(self) -> float:
        return self.payments / self.drain_s

    @property
    def ratio(self) -> float:
        """The drain's rate by the full rate, or by the limit."""
        return self.per_s / (statistics.mean(self.full_per_s) if self.limit_per_s is None else self.limit_per_s)


def busiest(times_s: Sequence[float]) -> int:
    """The most of these moments (in order) that lie within one second, wherever it begins; its end is not in it."""
    most = first = 0
    for last, at_s in enumerate(times_s):
        while at_s - times_s[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def busiest_whole(times_s: Sequence[float]) -> int:
    """The most of these moments in a whole second of the clock."""
    return max(Counter(map(int, times_s)).values(), default=0)


def quarters(times_s: Sequence[float]) -> list[float]:
    """How many a second in each quarter of these moments (in order), the last of them with what is over."""
    size = len(times_s) // 4
    edges = (0, size, 2 * size, 3 * size, len(times_s) - 1)
    return [(last - first) / max(times_s[last] - times_s[first], 1e-6) for first, last in pairwise(edges)]


class Away:
    """billcenter, which can be away; and what its lane does meanwhile."""

    def __init__(self, world: BenchStack, connection: "psycopg.Connection[tuple[int]]") -> None:
        self._world, self._connection = world, connection

    def leave(self) -> None:
        """From now on every request is answered with 503."""
        post(f"{self._world.sandbox_url}/control/faults", {"provider": PROVIDER, "fault": "error_503"})

    def come_back(self) -> float:
        """It answers again: since when, in Unix time."""
        at_s = time.time()
        post(f"{self._world.sandbox_url}/control/faults", None, "DELETE")
        return at_s

    def wait_until_open(self) -> None:
        until(
            lambda: asked(self._connection, _STANDS, PROVIDER) == 1, STALL_S, "the lane's circuit breaker did not open"
        )

    def fill(self, run: str, count: int) -> None:
        """So many payments are put on the stream, and accepted."""
        for first in range(0, count, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, count))
            submit(self._world, [json.dumps(intent(run, number)) for number in numbers])
        with redis.Redis.from_url(self._world.broker_url) as client:
            until(lambda: client.xlen(STREAM) == 0, TIMEOUT_S, "the backlog was not accepted")
        found = asked(self._connection, _KNOWN, f"bench-{run}")
        if found != count:
            raise RuntimeError(f"{found} payments of {count} were accepted")

    def wait_until_drained(self, before: int, count: int) -> None:
        """So many requests came beside those before, and nothing is due. Asks the provider, which costs the product
        nothing."""
        last, moved_s = before, time.monotonic()
        while last - before < count:
            time.sleep(_LOOK_S)
            if (now := self._world.requests()) != last:
                last, moved_s = now, time.monotonic()
            elif time.monotonic() - moved_s > STALL_S:
                raise TimeoutError(f"nothing was sent for {STALL_S} s, {last - before} requests of {count} came")
        until(
            lambda: asked(self._connection, _UNDER_WAY, PROVIDER) == 0,
            TIMEOUT_S,
            "not all payments of the backlog are done",
        )


def drained(world: BenchStack, away: Away, run: str, count: int) -> tuple[float, list[float]]:
    """A backlog comes and goes: when the provider was back, and when it applied each; in Unix time, in order."""
    world.answer_after(0)
    away.leave()
    away.fill(run, count)
    away.wait_until_open()
    before = world.requests()
    back_s = away.come_back()
    away.wait_until_drained(before, count)
    times_s = world.applied_at()
    if len(times_s) != count:
        raise RuntimeError(f"the provider applied {len(times_s)} of {count} payments")
    return back_s, times_s


def measure(world: BenchStack, count: int, limit_per_s: float | None, full: int, console: Console) -> Drain:
    """One backlog, in a product of its own. full: payments of each full rate; none is measured beside a limit."""
    run = f"b{os.getpid()}-{'limit' if limit_per_s else 'free'}"
    product = Settlepipe({"SETTLEPIPE_BILLCENTER__RATE_PER_S": str(limit_per_s)} if limit_per_s else {})
    rates = list[float]()

    def full_again() -> None:
        if limit_per_s is None:
            rates.append(full_rate(world, product, 0, full, f"{run}-full{len(rates)}"))
            console.print(f"full rate  {rates[-1]:.0f}/s")

    with started(product, world), psycopg.connect(world.database_url, autocommit=True) as connection:
        warm_up(world, product, run)
        full_again()
        back_s, times_s = drained(world, Away(world, connection), run, count)
        console.print(f"{count} payments drained  {count / (times_s[-1] - times_s[0]):.0f}/s")
        full_again()
    return Drain(
        payments=count,
        limit_per_s=limit_per_s,
        full_per_s=rates,
        stands_s=times_s[0] - back_s,
        drain_s=times_s[-1] - times_s[0],
        quarters=quarters(times_s),
        busiest=busiest(times_s),
        busiest_whole=busiest_whole(times_s),
        busiest_later=busiest([at_s for at_s in times_s if at_s >= times_s[0] + 1]),
    )


def table(results: Sequence[Drain], machine: str) -> Table:
    """The results as a table of at most 80 columns."""
    shown = Table(title=f"a backlog of so many payments, from the provider's return\n{machine}", width=78)
    shown.add_column("")
    for one in results:
        limit = "no limit" if one.limit_per_s is None else f"limit {one.limit_per_s:g}/s"
        shown.add_column(f"{one.payments:,}, {limit}", justify="right")
    rows = {
        "until the lane ran, s": lambda one: f"{one.stands_s:.1f}",
        "the drain, s": lambda one: f"{one.drain_s:.1f}",
        "until the last one, s": lambda one: f"{one.stands_s + one.drain_s:.1f}",
        "payments a second": lambda one: f"{one.per_s:.1f}",
        "of each quarter": lambda one: " ".join(f"{rate:.0f}" for rate in one.quarters),
        "full rate before, after": lambda one: " ".join(f"{rate:.0f}" for rate in one.full_per_s) or "-",
        "drain / full rate or limit": lambda one: f"{one.ratio:.2f}",
        "in the busiest second": lambda one: str(one.busiest),
        "in a whole second": lambda one: str(one.busiest_whole),
        "in one after the first": lambda one: str(one.busiest_later),
    }
    for name, told in rows.items():
        shown.add_row(name, *map(told, results))
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.backlog", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--payments", type=int, default=100_000, help="of the backlog without a limit; 0: none (100000)"
    )
    parser.add_argument("--full", type=int, default=10_000, help="payments of each full rate (10000)")
    parser.add_argument("--limited", type=int, default=5000, help="of the backlog with a limit; 0: none (5000)")
    parser.add_argument("--limit", type=float, default=100, help="its RATE_PER_S (100)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes of the lane (2)")
    parser.add_argument("--threads", type=int, default=32, help="senders in each worker process (32)")
    parser.add_argument("--json", action="store_true", help="the results as JSON on stdout")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json, highlight=False)
    backlogs = ((arguments.payments, None), (arguments.limited, arguments.limit))
    try:
        with running(arguments.processes, arguments.threads) as world:
            results = [measure(world, count, limit, arguments.full, console) for count, limit in backlogs if count]
    except (RuntimeError, TimeoutError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    machine = sizes(arguments.processes, arguments.threads)
    if arguments.json:
        rows = [asdict(one) | {"per_s": one.per_s, "ratio": one.ratio} for one in results]
        print(json.dumps({"machine": machine, "arguments": vars(arguments), "results": rows}, indent=2))
    else:
        console.print(table(results, machine))
    return _judged(results)


def _judged(results: Sequence[Drain]) -> int:
    """1 where the aim is missed, or the limit was not held."""
    said = [f"the backlog drains at {one.ratio:.2f}, below {AIM}" for one in results if one.ratio < AIM]
    for one in results:
        if one.limit_per_s is not None and max(one.busiest, one.busiest_whole) > one.limit_per_s:
            said.append(f"{one.busiest} payments were applied in a second, the limit is {one.limit_per_s:g}")
    for sentence in said:
        print(f"bench: {sentence}", file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
