"""`make bench-burst`: a burst of a million intents, and one intake process: how many a second it commits, and whether
its memory stays as it is.

All of them are on the stream before it starts; nothing else runs. A tenth of the way is its start and warm-up; then the
rate and the process's memory are told for each further tenth.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import psycopg
import redis
from rich.console import Console
from rich.progress import track
from rich.table import Table

from shared.database.engine import driver_url
from shared.messaging import intake_stream
from tests.bench import memory
from tests.bench.contenders import BATCH, STREAM, asked, until
from tests.bench.limits import alone
from tests.bench.processor import of_s
from tests.bench.servers import installed, own_servers
from tests.support.door import intent

PARTS = 10
PART_TIMEOUT_S = 1200


@dataclass(frozen=True, slots=True)
class Part:
    """A tenth of the burst. own_ms: processor time of the process for an intent. memory_mb: its own at the end."""

    done: int
    a_second: float
    own_ms: float
    memory_mb: float


def put(client: "redis.Redis", count: int, console: Console) -> None:
    """So many intents on the stream."""
    for first in track(range(0, count, BATCH), "putting them on the stream", console=console):
        numbers = range(first, min(first + BATCH, count))
        intake_stream.submit(client, STREAM, [json.dumps(intent(f"n-{number}")).encode() for number in numbers])


def measure(client: "redis.Redis", pid: int, count: int, console: Console) -> list[Part]:
    """Each tenth but the first."""
    found: list[Part] = []
    at_s = own_s = 0.0
    done = 0
    for number in range(1, PARTS + 1):
        goal, before = count * number // PARTS, done
        until(lambda goal=goal: count - client.xlen(STREAM) >= goal, PART_TIMEOUT_S, "the intake goes on too slowly")  # type: ignore[misc]
        done, began_s, own_before_s = count - client.xlen(STREAM), at_s, own_s
        at_s, own_s = time.perf_counter(), of_s(pid)
        if number > 1:
            own_ms = (own_s - own_before_s) / (done - before) * 1000
            found.append(Part(done, (done - before) / (at_s - began_s), own_ms, memory.of([pid]).own))
            console.print(f"{done:>9,}  {found[-1].a_second:8,.0f}/s  {found[-1].memory_mb:6.1f} MB")
    return found


@contextmanager
def burst(count: int, console: Console) -> Iterator["redis.Redis"]:
    """A broker with the burst on it, and an empty database, for processes that are started until the block ends."""
    with (
        own_servers() as (servers, home),
        installed(servers.database_url, servers.broker_url, home / "home"),
        redis.Redis.from_url(servers.broker_url) as client,
    ):
        put(client, count, console)
        yield client
        with psycopg.connect(driver_url(servers.database_url)) as connection:
            found = asked(connection, "SELECT count(*) FROM payments")
        if found != count:
            raise RuntimeError(f"there are {found} payments, not {count}")


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="make bench-burst", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="intents (1000000)")
    parser.add_argument("--json", action="store_true", help="the results as JSON on stdout")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json, highlight=False)
    try:
        with burst(arguments.count, console) as client, alone("worker.intake") as pid:
            found = measure(client, pid, arguments.count, console)
    except (RuntimeError, TimeoutError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps([asdict(part) for part in found], indent=2))
        return 0
    shown = Table(title=f"{arguments.count:,} intents, one intake process", width=78)
    for name in ("until", "a second", "own ms", "memory"):
        shown.add_column(name, justify="right")
    for part in found:
        shown.add_row(f"{part.done:,}", f"{part.a_second:,.0f}", f"{part.own_ms:.3f}", f"{part.memory_mb:.1f} MB")
    console.print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
