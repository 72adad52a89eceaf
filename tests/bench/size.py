"""`make bench-size`: payments a second with ten million finished payments and a million that wait in the database,
beside a database with ten thousand and one thousand.

Two installations, each with a PostgreSQL, a Valkey, a sandbox and a folder of its own. All of the product runs in one
of them at a time, in turn; the servers of the other stand still. The ratio of two adjacent rounds leaves a slow minute
of the machine out; every second pair is the other way round. The median of the ratios is judged (aim 0.95). A rate is
payments a second from before the first intent is on the stream until the last payment succeeded, by the database's
clock; the provider must have applied each once. Beside it stands what a payment took of the processors and of
PostgreSQL's log: these say why, and on a loaded machine more than rates. (The log of the large one is larger: whole
pages of large indexes stand in it once after each checkpoint, and few payments share one. A round is short, so nearly
each payment pays that in full; in operation those that come between two checkpoints share it.)

Both databases are filled before, by size_filled: payments, attempts, events and intents' keys with all of their
indexes, as the product leaves them, over three months. The payments that wait are billcenter's, whose payments are
measured, and are due after the run. Intent ids, invoices and references lie anywhere in the indexes, like those of
before. Left out are what events tell (their column `data`, 14 GB of 45: it is written once, and only read when an
intent is repeated), checks, and whatever only some payments have. PostgreSQL has 2 GB of buffers in both, as one of ten
million payments should. The daily jobs of today ran before there was a payment; a round in which one began is measured
again.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import md5
from typing import Any
from uuid import UUID

import psycopg
from rich.console import Console
from rich.table import Table

from shared.database.engine import driver_url
from tests.bench import processor
from tests.bench.contenders import Settlepipe, started, submit
from tests.bench.rooms import postgres
from tests.bench.size_filled import FINISHED_BYTES, WAITING_BYTES, fill
from tests.bench.world import TIMEOUT_S, BenchStack, intent, running

AIM = 0.95
WARM_UP = 600
_LARGE, _SMALL = "large", "small"
_BESIDE_BYTES = 6_000_000_000  # the log at most, and what is paid
_TRIES = 3  # of a round in which a daily job began
_LOOK_S = 0.2
_BEGIN = "SELECT clock_timestamp(), (SELECT max(id) FROM payments), pg_current_wal_lsn() - '0/0'"
# By the primary key: what counts the payments of a run must not read those of before.
_DONE = """SELECT count(*), max(finished_at), pg_current_wal_lsn() - '0/0' FROM payments
    WHERE id > %s AND state = 'succeeded'"""
_DAILY = "SELECT count(*) FROM job_runs WHERE started_at > %s AND job NOT LIKE '%%-token'"


@dataclass(frozen=True, slots=True)
class Round:
    """Payments a second; for each of them the processor's time of everything and of PostgreSQL, and the log."""

    rate: float
    processor_ms: float
    postgres_ms: float
    log_kb: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two adjacent rounds."""

    large: Round
    small: Round

    @property
    def ratio(self) -> float:
        return self.large.rate / self.small.rate


def measure(arguments: argparse.Namespace, console: Console) -> list[Pair]:
    """Fill both, then all rounds."""
    sizes = {_SMALL: (arguments.few, arguments.few // 10), _LARGE: (arguments.finished, arguments.waiting)}
    _look_for_room(arguments.finished + arguments.few, arguments.waiting + arguments.few // 10)
    options = (f"shared_buffers={arguments.buffers}", "max_wal_size=4GB")
    with ExitStack() as stack:
        worlds = {name: stack.enter_context(running(arguments.processes, arguments.threads, options)) for name in sizes}
        for name, world in worlds.items():
            _install(world)
            fill(world.database_url, *sizes[name], partial(_told, console, name, time.monotonic()))
        pairs = []
        for number in range(arguments.rounds):
            found = {}
            for name in (_SMALL, _LARGE) if number % 2 == 0 else (_LARGE, _SMALL):
                found[name] = _round(worlds[name], f"{name}-{number}", arguments.payments)
                console.print(f"{name}  {number + 1}  {_shown(found[name])}")
            pairs.append(Pair(found[_LARGE], found[_SMALL]))
        return pairs


def _told(console: Console, name: str, began_s: float, text: str) -> None:
    console.print(f"{name}  {time.monotonic() - began_s:4.0f} s  {text}")


def _look_for_room(finished: int, waiting: int) -> None:
    folder = tempfile.gettempdir()
    needed = finished * FINISHED_BYTES + waiting * WAITING_BYTES + _BESIDE_BYTES
    if (free := shutil.disk_usage(folder).free) < needed:
        raise RuntimeError(
            f"it takes about {needed / 1e9:.0f} GB in {folder}, where {free / 1e9:.0f} GB are free; set TMPDIR to a"
            " folder with more room, or take fewer by --finished and --waiting"
        )


def _install(world: BenchStack) -> None:
    """Its tables, lists and today's jobs, as long as there is no payment."""
    with started(Settlepipe(), world):
        pass


def _round(world: BenchStack, run: str, count: int) -> Round:
    """The product up, warm, and the payments; again when a daily job came in between."""
    for number in range(_TRIES):
        with started(Settlepipe(), world), _connected(world) as connection:
            began = _row(connection, "SELECT clock_timestamp()")[0]
            _pay(world, connection, f"{run}-{number}-warm", WARM_UP)
            measured = _pay(world, connection, f"{run}-{number}", count)
            if _row(connection, _DAILY, began)[0] == 0:
                return measured
    raise RuntimeError(f"daily jobs ran in each of {_TRIES} rounds; begin at another hour")


def _pay(world: BenchStack, connection: "psycopg.Connection[Any]", run: str, count: int) -> Round:
    lines = [json.dumps(_intent(run, number)) for number in range(count)]
    world.answer_after(0)
    with postgres(world.database_url) as postgres_s:
        used_s, database_s = processor.used_s() or 0, postgres_s()
        began, last, log = _row(connection, _BEGIN)
        submit(world, lines)
        deadline = time.monotonic() + TIMEOUT_S
        while (done := _row(connection, _DONE, last))[0] < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{done[0]} of {count} payments were done within {TIMEOUT_S} s")
            time.sleep(_LOOK_S)
        used_s, database_s = (processor.used_s() or 0) - used_s, postgres_s() - database_s
    if (applied := world.applied()) != count:
        raise RuntimeError(f"the provider applied {applied} of {count} payments")
    return Round(
        rate=count / (done[1] - began).total_seconds(),
        processor_ms=used_s / count * 1e3,
        postgres_ms=database_s / count * 1e3,
        log_kb=float(done[2] - log) / count / 1e3,
    )


def _intent(run: str, number: int) -> Mapping[str, object]:
    """One whose keys lie anywhere among those of before."""
    made = intent(run, number)
    name = UUID(md5(f"{run}-{number}".encode(), usedforsecurity=False).hexdigest())
    assert isinstance(made["target"], dict)
    return {
        **made,
        "source": "shop",
        "intent_id": str(name),
        "target": made["target"] | {"invoice_code": name.hex[:16]},
    }


@contextmanager
def _connected(world: BenchStack) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(driver_url(world.database_url), autocommit=True) as connection:
        yield connection


def _row(connection: "psycopg.Connection[Any]", query: str, *values: object) -> Any:
    return connection.execute(query.encode(), values or None).fetchone()


def _shown(one: Round) -> str:
    used = f"{one.processor_ms:.2f} ms, of them PostgreSQL {one.postgres_ms:.2f}"
    return f"{one.rate:.0f}/s  {used}; log {one.log_kb:.1f} kB"


def median(pairs: Sequence[Pair]) -> float:
    """What is judged."""
    return statistics.median(pair.ratio for pair in pairs)


def table(title: str, pairs: Sequence[Pair]) -> Table:
    """Each pair, and the medians; large and small beside each other. At most 80 columns."""
    shown = Table(title=title, width=80)
    shown.add_column("")
    for name in ("a second", "ratio", "all, ms", "PostgreSQL, ms", "log, kB"):
        shown.add_column(name, justify="right")
    for number, pair in enumerate(pairs, 1):
        shown.add_row(str(number), *_cells([pair.large], [pair.small], pair.ratio))
    shown.add_section()
    shown.add_row("median", *_cells([p.large for p in pairs], [p.small for p in pairs], median(pairs)))
    return shown


def _cells(large: Sequence[Round], small: Sequence[Round], ratio: float) -> list[str]:
    def both(name: str, places: int) -> str:
        found = (statistics.median(getattr(one, name) for one in side) for side in (large, small))
        return " ".join(f"{figure:.{places}f}" for figure in found)

    return [both("rate", 0), f"{ratio:.2f}", both("processor_ms", 2), both("postgres_ms", 2), both("log_kb", 1)]


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="make bench-size", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--finished", type=int, default=10_000_000, help="payments of the large one (10000000)")
    parser.add_argument("--waiting", type=int, default=1_000_000, help="that wait, beside them (1000000)")
    parser.add_argument("--few", type=int, default=10_000, help="finished ones of the small; a tenth waits (10000)")
    parser.add_argument("--payments", type=int, default=10_000, help="in one round (10000)")
    parser.add_argument("--rounds", type=int, default=5, help="in each of both (5)")
    parser.add_argument("--processes", type=int, default=2, help="worker processes of the lane (2)")
    parser.add_argument("--threads", type=int, default=16, help="senders in each worker process (16)")
    parser.add_argument("--buffers", default="2GB", help="of each PostgreSQL (2GB)")
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")
    arguments = parser.parse_args()
    console = Console(stderr=arguments.json, highlight=False)
    try:
        pairs = measure(arguments, console)
    except (RuntimeError, TimeoutError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps({"arguments": vars(arguments), "ratio": median(pairs), "pairs": list(map(asdict, pairs))}))
    else:
        title = f"{arguments.finished:,} and {arguments.waiting:,} / {arguments.few:,} and {arguments.few // 10:,}"
        console.print(table(f"payments finished and waiting: {title}", pairs))
    if (ratio := median(pairs)) < AIM:
        print(f"bench: with very many payments the rate is {ratio:.2f}, below the aim of {AIM}", file=sys.stderr)
    return int(median(pairs) < AIM)


if __name__ == "__main__":
    sys.exit(main())
