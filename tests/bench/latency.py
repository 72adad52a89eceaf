"""`make bench-latency`: how long a payment takes from the shop to the provider, here and the usual way.

From just before the shop hands it over until the provider has read its request, for each payment. settlepipe's shop
calls XADD; the shop of the usual way (`tests/bench/naive.py`) inserts its row, commits and publishes, all over
connections that are open. The arrival is the first row of the sandbox's request log with the payment's invoice: the
time is taken when all of the request was read, in microseconds, by the same clock of the same machine (a round during
which somebody set that clock is none).

Idle: one payment every 200 ms, give or take half of it. Half load: at random moments, as many shops make them, at half
of the full rate of the slower of the two, which is measured first in the same run. So both carry the same payments a
second, and the faster one is further from its end. Within a round both get the same moments.

Each round starts both, one after the other and every second time the other way round, with the same number of worker
processes and threads, warms them up, and does both loads. A ratio is of one round's two; the median of the rounds'
ratios is judged.
"""

import argparse
import json
import math
import os
import random
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate

from rich.console import Console
from rich.table import Table

from tests.bench.contenders import CeleryApp, Contender, Settlepipe, started
from tests.bench.full_rate import full_rate, warm_up
from tests.bench.shops import shop
from tests.bench.world import BenchStack, running, sizes

AIM = 1.0
KEPT = 0.9  # of the asked payments a second a shop has to hand over
LOADS = ("idle", "half load")
NAMES = ("settlepipe", "naive")
_UNMEASURED = 20  # of each load, at its beginning
_SET_S = 0.001  # the clock was set when it went another way than the monotonic one by more than this


@dataclass(frozen=True, slots=True)
class Load:
    """One load of one round, of one contender. sent_per_s: what the shop really did. In milliseconds: half, 99 of a
    hundred, and all were there within; handed_ms: half were handed over within."""

    contender: str
    load: str
    sent_per_s: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    handed_ms: float


Round = Mapping[tuple[str, str], Load]
"""By load and contender."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of these that this share of them (0 to 1) is not above: nearest rank."""
    return sorted(values)[max(1, math.ceil(round(len(values) * share, 9))) - 1]


def ratio(rounds: Sequence[Round], load: str, figure: str) -> float:
    """settlepipe's figure by the usual way's: the median of the rounds' ratios."""
    pairs = (tuple(float(getattr(found[load, name], figure)) for name in NAMES) for found in rounds)
    return statistics.median(ours / theirs for ours, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Asked:
    """A load to be made: so many payments that are measured, so many a second."""

    load: str
    per_s: float
    count: int

    def moments(self, seed: int) -> list[float]:
        """When to hand over each payment, and those before that are not measured: seconds from the beginning."""
        chance = random.Random(seed)
        gaps = (
            chance.uniform(0.5, 1.5) / self.per_s if self.load == "idle" else chance.expovariate(self.per_s)
            for _ in range(self.count + _UNMEASURED)
        )
        return list(accumulate(gaps))


def measure(world: BenchStack, contender: Contender, asked: Asked, number: int) -> Load:
    """One load of a round, of a contender that is warm."""
    run = f"l{os.getpid()}-{number}-{asked.load[0]}-{contender.name[0]}"
    world.answer_after(0)
    given = asked.moments(number)
    count = len(given)
    sent, handed = list[float](), list[float]()
    clock_s = _clock_s()
    with shop(world, contender, run, count) as pay:
        began = time.monotonic()
        for place, at_s in enumerate(given):
            time.sleep(max(0.0, began + at_s - time.monotonic()))
            sent.append(time.time())
            pay(place)
            handed.append(time.time() - sent[-1])
        took_s = time.monotonic() - began
    contender.wait(world, run, count)
    if abs(_clock_s() - clock_s) > _SET_S:
        raise RuntimeError("the machine's clock was set during a round; run it again")
    arrived = world.arrived()
    if len(arrived) != count:
        raise RuntimeError(f"{contender.name}: {len(arrived)} invoices of {count} are in the sandbox's log")
    ways = [1e3 * (arrived[f"{run}-{place}"] - sent[place]) for place in range(_UNMEASURED, count)]
    return Load(
        contender.name,
        asked.load,
        count / took_s,
        percentile(ways, 0.5),
        percentile(ways, 0.99),
        max(ways),
        1e3 * percentile(handed[_UNMEASURED:], 0.5),
    )


def _clock_s() -> float:
    """How far the clock is ahead of the monotonic one; the highest of a few looks had no pause in between."""
    return max(time.time() - time.monotonic() for _ in range(9))


def half_rate(world: BenchStack, count: int, console: Console) -> float:
    """Half of the full rate of the slower one."""
    rates = []
    for name in NAMES:
        contender = _contender(name)
        with started(contender, world):
            warm_up(world, contender, f"f{os.getpid()}-{name[0]}")
            rates.append(full_rate(world, contender, 0, count, f"f{os.getpid()}-{name[0]}"))
        console.print(f"full rate  {name:<11} {rates[-1]:6.0f}/s")
    return min(rates) / 2


def _contender(name: str) -> Contender:
    return Settlepipe() if name == "settlepipe" else CeleryApp(name)


def compare(world: BenchStack, arguments: argparse.Namespace, half_per_s: float, console: Console) -> list[Round]:
    """All rounds, each with both."""
    loads = (Asked("idle", 1 / arguments.every, arguments.idle), Asked("half load", half_per_s, arguments.payments))
    rounds: list[Round] = []
    for number in range(arguments.rounds):
        found: dict[tuple[str, str], Load] = {}
        for name in NAMES if number % 2 == 0 else NAMES[::-1]:
            contender = _contender(name)
            with started(contender, world):
                warm_up(world, contender, f"l{os.getpid()}-{number}-{name[0]}")
                for load in loads:
                    one = found[load.load, name] = measure(world, contender, load, number)
                    console.print(
                        f"round {number + 1}  {load.load:<9}  {name:<10}  {one.sent_per_s:5.1f}/s"
                        f"  p50 {one.p50_ms:.1f}  p99 {one.p99_ms:.1f} ms"
                    )
        rounds.append(found)
    return rounds


def table(rounds: Sequence[Round], machine: str) -> Table:
    """The results as a table of at most 80 columns."""
    shown = Table(title=f"ms from shop to provider, median \\[lowest, highest] of the rounds\n{machine}", width=78)
    for name in ("", "sent/s", "p50", "p99"):
        shown.add_column(name, justify="right" if name else "left")
    for load in LOADS:
        for name in NAMES:
            of = [found[load, name] for found in rounds]
            sent = f"{statistics.median(one.sent_per_s for one in of):.1f}"
            spreads = (_spread([getattr(one, figure) for one in of]) for figure in ("p50_ms", "p99_ms"))
            shown.add_row(f"{load}: {name}", sent, *spreads)
        ratios = (f"{ratio(rounds, load, figure):.2f}" for figure in ("p50_ms", "p99_ms"))
        shown.add_row("ratio", "", *ratios)
        shown.add_section()
    return shown


def _spread(values: Sequence[float]) -> str:
    middle, least, most = (
        f"{ms:.1f}" if ms < 100 else f"{ms:.0f}" for ms in (statistics.median(values), min(values), max(values))
    )
    return f"{middle} \\[{least}, {most}]"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.latency", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--idle", type=int, default=300, help="payments measured of each idle load (300)")
    parser.add_argument("--payments", type=int, default=3000, help="of each half load, and of each full rate (3000)")
    parser.add_argument("--every", type=float, default=0.2, help="seconds between two payments when idle (0.2)")
    parser.add_argument(
        "--rate", type=float, help="of the half load, payments a second, in place of half the full rate"
    )
    parser.add_argument("--rounds", type=int, default=5, help="of both (5)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes of each (2)")
    parser.add_argument("--threads", type=int, default=32, help="in each worker process (32)")
    parser.add_argument("--json", action="store_true", help="the results as JSON on stdout")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json, highlight=False)
    try:
        with running(arguments.processes, arguments.threads) as world:
            # Measured in any case: what a new installation does once is then done.
            measured_per_s = half_rate(world, arguments.payments, console)
            half_per_s = arguments.rate or measured_per_s
            rounds = compare(world, arguments, half_per_s, console)
    except (RuntimeError, TimeoutError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    ratios = {load: {f: ratio(rounds, load, f"{f}_ms") for f in ("p50", "p99")} for load in LOADS}
    machine = sizes(arguments.processes, arguments.threads)
    if arguments.json:
        rows = [[asdict(one) for one in found.values()] for found in rounds]
        given = {"machine": machine, "half_per_s": half_per_s, "arguments": vars(arguments)}
        print(json.dumps(given | {"rounds": rows, "ratios": ratios}, indent=2))
    else:
        console.print(table(rounds, machine))
    return _judged(ratios) | _kept_up(rounds, half_per_s)


def _kept_up(rounds: Sequence[Round], half_per_s: float) -> int:
    """1 where a shop was slower than it should have been: then the two did not carry the same."""
    late = [
        one for found in rounds for one in found.values() if one.load != "idle" and one.sent_per_s < KEPT * half_per_s
    ]
    for one in late:
        sentence = f"{one.contender}'s shop handed over {one.sent_per_s:.1f} of {half_per_s:.1f} payments a second"
        print(f"bench: {sentence}: give a lower --rate, or a quieter machine", file=sys.stderr)
    return 1 if late else 0


def _judged(ratios: Mapping[str, Mapping[str, float]]) -> int:
    """1 where the aim is missed."""
    missed = [(load, name, found) for load, of in ratios.items() for name, found in of.items() if found > AIM]
    for load, name, found in missed:
        print(f"bench: {load}, {name}: {found:.2f} of the usual way's, above the aim of {AIM:g}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
