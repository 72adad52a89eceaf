"""`make bench-isolation`: what a provider that hangs on every request costs another one.

One running product, both lanes on. In turn, billcenter's payments alone, and beside ubill that hangs on every request
while thousands of its payments are due. A rate is payments a second from the moment the first intent is on the
stream until the last payment succeeded, by the database's clock; the provider's ledger must hold each once. The ratio
of a pair of adjacent rounds leaves a slow minute of the machine out; the median of the pairs' ratios is judged.

Once with the circuit breaker as by default (after 10 failures it opens; then the lane only probes), once with it off:
then every sender hangs all the time.
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
from datetime import datetime
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from tests.bench import neighbour, processor
from tests.bench.contenders import Settlepipe, started
from tests.bench.neighbour import Neighbour
from tests.bench.world import PROVIDER, TIMEOUT_S, BenchStack, running

AIM = 0.95
LIMIT = 0.8
WARM_UP = 600
BREAKERS = {"default": {}, "off": {"SETTLEPIPE_BREAKER__FAILURES": "1000000000"}}
_LOOK_S = 0.2
_DONE = "SELECT count(*), max(finished_at) FROM payments WHERE source = %s AND state = 'succeeded'"
_UNDER_WAY = "SELECT count(*) FROM payments WHERE provider = %s AND due_at IS NOT NULL"
_KNOWN = "SELECT count(*) FROM intent_keys WHERE source = %s"


@dataclass(frozen=True, slots=True)
class Round:
    """rate: billcenter's payments a second. processor_ms: of everything that runs, for each of them; None where it is
    not known. The others are of the neighbour, seen every 0.2 s: its open requests (most, median), the share of looks
    at which its lane ran, its payments due at the end."""

    rate: float
    processor_ms: float | None = None
    open_most: int = 0
    open_median: float = 0
    lane_ran: float = 0
    due_left: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """The rounds with the breaker like this: (alone, beside) each."""

    breaker: str
    pairs: Sequence[tuple[Round, Round]]

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios: what is judged."""
        return statistics.median(beside.rate / alone.rate for alone, beside in self.pairs)

    @property
    def medians(self) -> tuple[float, float]:
        """The median rate alone, and beside the one that hangs."""
        alone, beside = zip(*self.pairs, strict=True)
        return statistics.median(r.rate for r in alone), statistics.median(r.rate for r in beside)


def measure(arguments: argparse.Namespace, breaker: str, console: Console) -> Result:
    """All pairs in one running product. Every second pair the other way round: what grows meets both alike."""
    pairs: list[tuple[Round, Round]] = []
    with running(arguments.processes, arguments.threads) as world:
        product = Settlepipe(
            {
                **neighbour.settings(world),
                **BREAKERS[breaker],
                "SETTLEPIPE_HTTP__TOTAL_TIMEOUT_S": str(arguments.timeout),
                # Between rounds what an opened lane left on its queue is sent after this.
                "SETTLEPIPE_DISPATCH_LEASE_S": "15",
            }
        )
        with started(product, world), psycopg.connect(world.database_url, autocommit=True) as connection:
            beside = Neighbour(world, connection, arguments.fault)
            beside.pause()
            _round(world, product, beside, "warm-up", WARM_UP)
            for number in range(arguments.pairs):
                found: dict[bool, Round] = {}
                for hangs in (False, True) if number % 2 == 0 else (True, False):
                    run = f"r{os.getpid()}-{number}-{'beside' if hangs else 'alone'}"
                    if hangs:
                        beside.hang(f"{run}-ubill", arguments.backlog)
                    found[hangs] = _round(world, product, beside, run, arguments.payments)
                    one = found[hangs]
                    console.print(f"breaker {breaker}  {run}  {one.rate:.0f}/s  {_cost(one)} ms  {_hung(one)}")
                    if hangs:
                        beside.calm()
                pairs.append((found[False], found[True]))
            _none_twice(world)
    return Result(breaker, pairs)


def _round(world: BenchStack, product: Settlepipe, beside: Neighbour, run: str, count: int) -> Round:
    connection, source, before = beside.connection, f"bench-{run}", _applied(world)
    product.feed(world, run, count)
    began = _row(connection, "SELECT clock_timestamp()")[0]
    used_s = processor.used_s()
    product.go(world)
    opened, ran = _watch(beside, source, count)
    used_after_s = processor.used_s()
    done, ended = _row(connection, _DONE, source)
    if done != count or _applied(world) - before != count:
        raise RuntimeError(f"{done} payments of {count} succeeded, the provider applied {_applied(world) - before}")
    assert isinstance(began, datetime)
    return Round(
        rate=count / (ended - began).total_seconds(),
        processor_ms=None if used_s is None or used_after_s is None else 1000 * (used_after_s - used_s) / count,
        open_most=max(opened),
        open_median=statistics.median(opened),
        lane_ran=statistics.mean(ran),
        due_left=beside.due(),
    )


def _watch(beside: Neighbour, source: str, count: int) -> tuple[list[int], list[bool]]:
    """Wait until this source's payments are done, looking at the neighbour now and then.

    By queries that an index answers: a count over all payments would be a load that grows.
    """
    opened, ran, deadline = list[int](), list[bool](), time.monotonic() + TIMEOUT_S
    while beside.count(_KNOWN, source) < count or beside.count(_UNDER_WAY, PROVIDER) > 0:
        opened.append(beside.open_requests())
        ran.append(beside.runs())
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all payments were done within {TIMEOUT_S} s")
        time.sleep(_LOOK_S)
    return opened, ran


def _row(connection: "psycopg.Connection[Any]", query: str, *values: str) -> Any:
    return connection.execute(query.encode(), values).fetchone()


def _applied(world: BenchStack) -> int:
    return sum(provider == PROVIDER for provider, _ in world.settled())


def _none_twice(world: BenchStack) -> None:
    twice = [key for key, times in Counter(world.settled()).items() if times > 1]
    if twice:
        raise RuntimeError(f"{len(twice)} payments were applied twice, the first {twice[0]}")


def _hung(one: Round) -> str:
    if not one.open_most:
        return ""
    return f"open {one.open_median:.0f}, most {one.open_most}; ran {one.lane_ran:.0%}; due {one.due_left}"


def _cost(one: Round) -> str:
    return "-" if one.processor_ms is None else f"{one.processor_ms:.1f}"


def table(result: Result) -> Table:
    """Each pair, the medians, the ratio."""
    shown = Table(title=f"payments a second, breaker {result.breaker}", width=100)
    for name in ("pair", "alone", "beside", "ratio", "processor ms"):
        shown.add_column(name, justify="right")
    shown.add_column("ubill meanwhile")
    for number, (alone, beside) in enumerate(result.pairs, 1):
        ratio = beside.rate / alone.rate
        costs = f"{_cost(alone)} {_cost(beside)}"
        shown.add_row(str(number), f"{alone.rate:.0f}", f"{beside.rate:.0f}", f"{ratio:.2f}", costs, _hung(beside))
    alone_median, beside_median = result.medians
    shown.add_section()
    shown.add_row("median", f"{alone_median:.0f}", f"{beside_median:.0f}", f"{result.ratio:.2f}", "", "")
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.isolation", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--payments", type=int, default=20_000, help="in one round (20000)")
    parser.add_argument("--pairs", type=int, default=5, help="of rounds, with each breaker (5)")
    parser.add_argument("--backlog", type=int, default=3000, help="payments due at the provider that hangs (3000)")
    parser.add_argument("--timeout", type=float, default=5, help="seconds after which a call is given up (5)")
    parser.add_argument("--fault", choices=("hang_before", "hang_after"), default="hang_before", help="hang_before")
    parser.add_argument("--processes", type=int, default=2, help="worker processes of each lane (2)")
    parser.add_argument("--threads", type=int, default=32, help="senders in each worker process (32)")
    parser.add_argument("--breaker", nargs="+", choices=BREAKERS, default=list(BREAKERS), help="default, off (both)")
    parser.add_argument("--json", action="store_true", help="the results as JSON on stdout")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json, highlight=False)
    try:
        results = [measure(arguments, breaker, console) for breaker in arguments.breaker]
    except (RuntimeError, TimeoutError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        rows = [asdict(r) | {"ratio": r.ratio, "medians": r.medians} for r in results]
        print(json.dumps({"arguments": vars(arguments), "results": rows}, indent=2))
    else:
        for result in results:
            console.print(table(result))
    return _judged(results)


def _judged(results: Sequence[Result]) -> int:
    worst = min(result.ratio for result in results)
    if worst < AIM:
        what = f"below {LIMIT}" if worst < LIMIT else f"below the aim of {AIM}"
        print(f"bench: beside a provider that hangs the rate is {worst:.2f} of the rate alone: {what}", file=sys.stderr)
    return 1 if worst < LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
