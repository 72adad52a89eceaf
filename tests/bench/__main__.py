"""`make bench`: settlepipe, the naive pipeline, the plain task, procrastinate and DBOS, in turn, on the same servers
and sandbox. All ask billcenter; "ubill" is settlepipe at a provider where it may not take several payments at once.

A rate is payments a second at the provider, by its own ledger, in the middle nine tenths of a round, after a warm-up.
Each contender runs alone with the same number of worker processes and threads; settlepipe's intake, dispatcher, relay,
beat and Flower run beside its workers and share the machine with them. A round ends when all payments are done (plain:
sent), each applied once.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.bench.careful import AtUbill
from tests.bench.contenders import CeleryApp, Contender, Settlepipe, started
from tests.bench.full_rate import full_rate, warm_up
from tests.bench.queues import Dbos, Procrastinate
from tests.bench.world import BenchStack, running, sizes

CONTENDERS: Mapping[str, Callable[[], Contender]] = {
    "settlepipe": Settlepipe,
    "ubill": AtUbill,
    "naive": lambda: CeleryApp("naive"),
    "plain": lambda: CeleryApp("plain"),
    "procrastinate": Procrastinate,
    "dbos": Dbos,
}


@dataclass(frozen=True, slots=True)
class Result:
    """Payments a second of each round. latency_s: what the provider takes for an answer."""

    contender: str
    latency_s: float
    rates: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rates)


def measure(world: BenchStack, contender: Contender, latency_s: float, count: int, run: str) -> float:
    """One round: payments a second."""
    with started(contender, world):
        warm_up(world, contender, run)
        return full_rate(world, contender, latency_s, count, run)


def compare(world: BenchStack, arguments: argparse.Namespace, console: Console) -> list[Result]:
    """All rounds, the contenders taking turns, so that a slow minute of the machine meets them all."""
    rates: dict[tuple[str, float], list[float]] = {}
    for number in range(arguments.rounds):
        for latency_s in arguments.latency:
            for name in arguments.only:
                run = f"r{os.getpid()}-{number}-{round(latency_s * 1000)}-{name[0]}"
                rate = measure(world, CONTENDERS[name](), latency_s, arguments.payments, run)
                rates.setdefault((name, latency_s), []).append(rate)
                console.print(f"round {number + 1}  {latency_s * 1000:3.0f} ms  {name:<13} {rate:6.0f}/s")
    return [Result(name, latency_s, tuple(found)) for (name, latency_s), found in rates.items()]


def table(results: list[Result], world_line: str) -> Table:
    """The results as a table of at most 80 columns."""
    shown = Table(title=f"payments a second, median [lowest, highest]\n{world_line}", width=78)
    latencies = sorted({result.latency_s for result in results})
    shown.add_column("contender")
    for latency_s in latencies:
        shown.add_column(f"answer in {latency_s * 1000:.0f} ms", justify="right")
        shown.add_column("plain=1", justify="right")
    by_key = {(result.contender, result.latency_s): result for result in results}
    for name in dict.fromkeys(result.contender for result in results):
        row = [name]
        for latency_s in latencies:
            result, plain = by_key[name, latency_s], by_key.get(("plain", latency_s))
            row.append(f"{result.median:.0f} \\[{min(result.rates):.0f}, {max(result.rates):.0f}]")
            row.append(f"{result.median / plain.median:.2f}" if plain else "-")
        shown.add_row(*row)
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--payments", type=int, default=5000, help="in one round (5000)")
    parser.add_argument("--rounds", type=int, default=3, help="of each (3)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes of each contender (2)")
    parser.add_argument("--threads", type=int, default=32, help="in each worker process (32)")
    parser.add_argument("--latency", type=float, nargs="+", default=[0, 0.1], help="seconds an answer takes (0 0.1)")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="these contenders")
    parser.add_argument("--json", action="store_true", help="the results as JSON on stdout")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json, highlight=False)
    try:
        with running(arguments.processes, arguments.threads) as world:
            results = compare(world, arguments, console)
    except (RuntimeError, TimeoutError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    line = sizes(arguments.processes, arguments.threads)
    if arguments.json:
        rows = [{"contender": r.contender, "latency_s": r.latency_s, "rates": r.rates} for r in results]
        print(json.dumps({"machine": line, "payments": arguments.payments, "results": rows}, indent=2))
    else:
        console.print(table(results, line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
