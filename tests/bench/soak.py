"""`make bench-soak`: does the memory of any process grow while the product pays at a steady rate for half an hour?

The whole product as operators run it, with PostgreSQL and Valkey beside it, at billcenter, which answers at once.
Intents come ten times a second, at half of the rate that the machine did in a burst before (or at `--rate`). Every few
seconds each process's memory is read: its own (Pss_Anon of /proc, what is swapped included), that of its children with
it. It is named as in `stack.json`. The samples of the warm-up are left out: caches, pools and Flower's tasks fill in
it, and events leave the stream as old as half of it, so that Valkey is full, too. Of the others the least-squares slope
is told, as a share of the mean in half an hour; a short run stretches what little there is.

A rate that the product does not keep up with, a process that ended meanwhile, and a payment that was not settled, or
twice, make the run worthless and end it.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import psycopg
import redis
from rich.console import Console
from rich.table import Table

from tests.bench import memory
from tests.bench.contenders import STREAM, Settlepipe, asked, started, submit, until
from tests.bench.full_rate import full_rate, warm_up
from tests.bench.memory import Memory, Trend
from tests.bench.world import PROVIDER, TIMEOUT_S, BenchStack, intent, running
from tests.support.stack import descendants

AIM = 0.01
_SERVERS = ("postgres", "valkey")
_FEED_S = 0.1
_BEHIND_S = 60  # so much waits at most, in seconds of the rate
_DONE = "SELECT count(*) FROM payments WHERE state = 'succeeded'"
_UNDER_WAY = "SELECT count(*) FROM payments WHERE provider = %s AND due_at IS NOT NULL"
_POSTMASTER = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int"


@dataclass(frozen=True, slots=True)
class Soaked:
    """Payments a second, and in all; the most that waited at once; of each process what its memory did."""

    rate: float
    payments: int
    most_waiting: int
    trends: Mapping[str, Trend]

    @property
    def worst(self) -> tuple[str, float]:
        """The process that grew most."""
        return max(((name, one.slope) for name, one in self.trends.items()), key=lambda found: found[1])


class Feed(threading.Thread):
    """Puts intents on the stream at a steady rate until it is told to end; makes up for a moment that came late."""

    def __init__(self, world: BenchStack, rate: float) -> None:
        super().__init__(name="feed", daemon=True)
        self.fed, self._world, self._rate, self._end = 0, world, rate, threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        while not self._end.wait(_FEED_S):
            due = int((time.monotonic() - began) * self._rate)
            submit(self._world, [json.dumps(intent("soak", number)) for number in range(self.fed, due)])
            self.fed = due

    def end(self) -> int:
        """How many there were in all."""
        self._end.set()
        self.join()
        return self.fed


def measure(arguments: argparse.Namespace, console: Console) -> Soaked:
    """The product up, warm, and then watched."""
    warm_s, measured_s = arguments.warm_up * 60, arguments.minutes * 60
    product = Settlepipe({"SETTLEPIPE_EVENTS_KEEP_S": str(max(1, warm_s / 2))})
    with running(arguments.processes, arguments.threads) as world, started(product, world):
        warm_up(world, product, "soak-")
        rate = arguments.rate or full_rate(world, product, 0, arguments.burst, "burst") / 2
        applied_before = world.applied()
        console.print(f"{rate:.0f} payments a second, {arguments.warm_up:g} + {arguments.minutes:g} minutes")
        with (
            psycopg.connect(world.database_url, autocommit=True) as connection,
            redis.Redis.from_url(world.broker_url) as client,
        ):
            done_before = asked(connection, _DONE)

            def waits() -> int:
                return int(client.xlen(STREAM)) + asked(connection, _UNDER_WAY, PROVIDER)

            pids = _pids(world, connection, client)
            feed = Feed(world, rate)
            feed.start()
            watched = _watch(
                lambda: {name: memory.of(descendants(pid)) for name, pid in pids.items()},
                lambda: _going_on(feed, waits, rate, pids == _pids(world, connection, client)),
                (warm_s, warm_s + measured_s, arguments.every),
                console,
            )
            fed = feed.end()
            until(lambda: waits() == 0, TIMEOUT_S, "not all payments were done")
            done, applied = asked(connection, _DONE) - done_before, world.applied() - applied_before
            if done != fed or applied != fed:
                raise RuntimeError(f"{done} payments of {fed} succeeded, the provider applied {applied}")
    at_s, samples, waited = watched
    trends = {name: memory.trend(at_s, [sample[name] for sample in samples]) for name in pids}
    return Soaked(rate, fed, max(waited), trends)


def _watch(
    read: Callable[[], Mapping[str, Memory]],
    look: Callable[[], int],
    times_s: tuple[float, float, float],
    console: Console,
) -> tuple[Sequence[float], Sequence[Mapping[str, Memory]], Sequence[int]]:
    """From the end of the warm-up to the end, every so often: the moments, each process's memory, what waited."""
    warm_s, end_s, every_s = times_s
    at_s, samples, waited = list[float](), list[Mapping[str, Memory]](), list[int]()
    began, told_s = time.monotonic(), 0.0
    while (now_s := time.monotonic() - began) < end_s or len(samples) < 2:
        waiting = look()
        sample = read()
        if now_s >= warm_s:
            at_s.append(now_s)
            samples.append(sample)
            waited.append(waiting)
        if now_s >= told_s:
            told_s += 60
            whole = sum(one.own for one in sample.values())
            console.print(f"{now_s / 60:4.0f} min  {whole:7.1f} MB in all  {waiting} wait")
        time.sleep(max(0.0, every_s - (time.monotonic() - began - now_s)))
    return at_s, samples, waited


def _going_on(feed: Feed, waits: Callable[[], int], rate: float, same: bool) -> int:
    """How many wait. Raises RuntimeError where the run is worth nothing."""
    if not feed.is_alive():
        raise RuntimeError("the load ended, its error stands above; look at the broker")
    if not same:
        raise RuntimeError("a process ended and was started again; see settlepipe.log and the logs in HOME")
    if (waiting := waits()) > rate * _BEHIND_S:
        raise RuntimeError(
            f"{waiting} payments wait at {rate:.0f} a second; take a rate that it keeps up with by --rate"
        )
    return waiting


def _pids(world: BenchStack, connection: "psycopg.Connection[tuple[int]]", client: "redis.Redis") -> Mapping[str, int]:
    """Of each process, as stack.json names them, and of the two servers."""
    own: dict[str, int] = json.loads((world.home / "settlepipe" / "stack.json").read_text())["processes"]
    servers = (asked(connection, _POSTMASTER), int(client.info("server")["process_id"]))
    return {**own, **dict(zip(_SERVERS, servers, strict=True))}


def table(found: Soaked) -> Table:
    """Each process, the one that grew most first. At most 80 columns."""
    shown = Table(title=f"memory in MB, at {found.rate:.0f} payments a second", width=80)
    shown.add_column("process", no_wrap=True)
    for name in ("with shared", "its own", "in 30 min", "first fifth", "last fifth"):
        shown.add_column(name, justify="right")
    for name, one in sorted(found.trends.items(), key=lambda item: -item[1].slope):
        sizes = (f"{size:.1f}" for size in (one.all, one.own))
        shown.add_row(name, *sizes, f"{one.slope:+.2%}", f"{one.first:.1f}", f"{one.last:.1f}")
    return shown


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="make bench-soak", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30, help="that are watched (30)")
    parser.add_argument("--warm-up", type=float, default=10, help="minutes of the same load before (10)")
    parser.add_argument("--rate", type=float, help="payments a second (half of what a burst does)")
    parser.add_argument("--burst", type=int, default=5000, help="payments of the burst (5000)")
    parser.add_argument("--every", type=float, default=5, help="seconds from one sample to the next (5)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes of the lane (2)")
    parser.add_argument("--threads", type=int, default=16, help="senders in each worker process (16)")
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json, highlight=False)
    try:
        found = measure(arguments, console)
    except (RuntimeError, TimeoutError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    name, slope = found.worst
    if arguments.json:
        print(json.dumps({"arguments": vars(arguments), **asdict(found), "worst": slope}, indent=2))
    else:
        console.print(table(found))
        console.print(f"{found.payments:,} payments, each applied once; {found.most_waiting:,} waited at most")
    if slope > AIM:
        print(f"bench: {name} grew by {slope:.1%} in half an hour, more than {AIM:.0%}", file=sys.stderr)
    return int(slope > AIM)


if __name__ == "__main__":
    sys.exit(main())
