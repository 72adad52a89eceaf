"""`make bench-limits`: where one PostgreSQL ends, part by part; without a standby and with a synchronous one.

Each part works alone on as much as is there: how much a second, what it costs its own process, PostgreSQL and the
log. Then the whole product pays, and the processor time of each of its processes is told. On one machine the parts and
the standby share the processors, so the processor's times say more than the rates.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from deploy.local.embedded import embedded_servers
from deploy.sandbox.running import running_sandbox
from shared import process
from shared.messaging import intake_stream, queues, tasks
from shared.payments import dispatch
from shared.settings import Settings, load_settings
from shared.start import start
from tests.bench.contenders import BATCH, ROOT, STREAM, Settlepipe, started, until
from tests.bench.full_rate import WARM_UP, ended, warm_up
from tests.bench.processor import of_s as processor_s
from tests.bench.servers import installed
from tests.bench.world import PROVIDER, TIMEOUT_S, BenchStack, post
from tests.support.cluster import Server, primary
from tests.support.door import intent
from tests.support.stack import descendants

EVENTS = "settlepipe:events"
# Without a vacuum of its own, so that what it costs is seen apart.
SERVER = {"shared_buffers": "256MB", "max_wal_size": "4GB", "max_connections": "200", "autovacuum": "off"}
COMMITS_S = 3.0


@dataclass(frozen=True, slots=True)
class Part:
    """What one part does alone. own_ms, postgres_ms: processor time for each; log_bytes: of the write-ahead log."""

    name: str
    each: str
    a_second: float
    own_ms: float
    postgres_ms: float
    log_bytes: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What was used until a moment."""

    at_s: float
    own_s: float
    postgres_s: float
    log_bytes: int


def read(server: Server, own: int) -> Reading:
    """Now. own: the process whose time is asked for."""
    assert server.process is not None
    postgres_s = sum(processor_s(pid) for pid in descendants(server.process.pid))
    return Reading(time.perf_counter(), processor_s(own), postgres_s, _log_bytes(server))


def _log_bytes(server: Server) -> int:
    return int(server.asked("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"))


def part(name: str, each: str, count: int, begin: Reading, end: Reading) -> Part:
    """Of two readings, between which so many were done."""
    return Part(
        name,
        each,
        count / (end.at_s - begin.at_s),
        (end.own_s - begin.own_s) / count * 1e3,
        (end.postgres_s - begin.postgres_s) / count * 1e3,
        (end.log_bytes - begin.log_bytes) / count,
    )


def commits(server: Server, connections: int) -> Part:
    """What the disk, and a standby, allow: the smallest change that is committed, again and again."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bench_commits (id int PRIMARY KEY, n int NOT NULL)")
        connection.execute(
            "INSERT INTO bench_commits SELECT n, 0 FROM generate_series(1, 64) AS n ON CONFLICT DO NOTHING"
        )
    done = [0] * connections
    gate = threading.Barrier(connections + 1)

    def run(number: int) -> None:
        with psycopg.connect(server.url, autocommit=True) as connection:
            gate.wait()
            until_s = time.monotonic() + COMMITS_S
            while time.monotonic() < until_s:
                connection.execute("UPDATE bench_commits SET n = n + 1 WHERE id = %s", (number + 1,))
                done[number] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    begin = read(server, os.getpid())
    gate.wait()
    for thread in threads:
        thread.join()
    return part(f"commits, {connections} at once", "commit", sum(done), begin, read(server, os.getpid()))


@contextmanager
def alone(module: str) -> Iterator[int]:
    """One process of the product, until the block ends."""
    running = subprocess.Popen([sys.executable, "-c", f"from {module} import main; main()"], cwd=ROOT)
    try:
        yield running.pid
    finally:
        running.terminate()
        running.wait(30)


def carried(server: Server, module: str, each: str, count: int, done: Callable[[], int]) -> Part:
    """A process from the moment when a twentieth is done, so that its start is not in it."""
    with alone(module) as pid:
        until(lambda: done() >= count // 20, TIMEOUT_S, f"{module} does not begin")
        first, begin = done(), read(server, pid)
        until(lambda: done() >= count, TIMEOUT_S, f"{module} does not end")
        return part(module.rpartition(".")[2], each, count - first, begin, read(server, pid))


def dispatched(server: Server, client: "redis.Redis", count: int) -> Part:
    """One lane's dispatcher: its look and the messages. What it claimed is given back between two looks, unmeasured."""
    settings = load_settings()
    app, runtime = process.celery(settings), start(settings, pool_size=2)
    own_s = postgres_s = took_s = 0.0
    log_bytes = found = 0
    while found < count:
        begin = read(server, os.getpid())
        batches = dispatch.dispatch(runtime, "mtn", lambda: 0, tidy=False).messages  # tidied at a pace
        tasks.publish(app, "mtn", batches)
        end = read(server, os.getpid())
        names = [name for _, ids in batches for name in ids]
        assert names, "nothing is due"
        took_s, own_s = took_s + end.at_s - begin.at_s, own_s + end.own_s - begin.own_s
        postgres_s += end.postgres_s - begin.postgres_s
        log_bytes += end.log_bytes - begin.log_bytes
        found += len(names)
        client.delete(queues.lane_queue("mtn"))
        dispatch.give_back(runtime, [name for name in names if not isinstance(name, int)], [])
    spent = Reading(took_s, own_s, postgres_s, log_bytes)
    return part("dispatcher, of one lane", "payment", found, Reading(0, 0, 0, 0), spent)


def parts(server: Server, broker_url: str, home: Path, count: int) -> list[Part]:
    """Each part alone, on payments of a provider that none of them asks."""
    with installed(server.url, broker_url, home), redis.Redis.from_url(broker_url) as client:
        found = [commits(server, connections) for connections in (1, 8, 32)]
        client.flushall()
        for first in range(0, count, BATCH):
            numbers = range(first, min(first + BATCH, count))
            intake_stream.submit(client, STREAM, [json.dumps(intent(f"n-{number}")).encode() for number in numbers])
        found.append(carried(server, "worker.intake", "intent", count, lambda: count - client.xlen(STREAM)))
        found.append(carried(server, "scheduler.relay", "event", count, lambda: client.xlen(EVENTS)))
        found.append(dispatched(server, client, count))
        client.flushall()
        return found


@dataclass(frozen=True, slots=True)
class Whole:
    """The whole product: payments a second; processor ms, log bytes, commits and dead rows of each; what vacuuming
    these takes; its connections."""

    a_second: float
    processor_ms: Mapping[str, float]
    log_bytes: float
    commits: float
    dead_rows: float
    vacuum_ms: float
    connections: int


def whole(server: Server, world: BenchStack, count: int) -> Whole:
    """Every process, from the intake to the events, at a provider that answers at once."""
    contender = Settlepipe()
    with started(contender, world):
        warm_up(world, contender, "")
        pids = json.loads((world.home / "settlepipe" / "stack.json").read_text())["processes"]

        def used() -> dict[str, float]:
            assert server.process is not None
            rest = {name: processor_s(pid) for name, pid in pids.items()}
            return {"postgres": sum(processor_s(pid) for pid in descendants(server.process.pid)), **rest}

        contender.feed(world, "x", count)
        world.answer_after(0)
        before, log_bytes, done = used(), _log_bytes(server), _committed(server)
        began = time.perf_counter()
        contender.go(world)
        ended(world, contender, "x", count)
        seconds = time.perf_counter() - began
        after = used()
        connections = int(server.asked("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"))
        log_bytes, done = _log_bytes(server) - log_bytes, _committed(server) - done
        dead_rows, vacuum_s = _vacuumed(server)
        return Whole(
            count / seconds,
            {name: (after[name] - before[name]) / count * 1e3 for name in after},
            log_bytes / count,
            done / count,
            dead_rows / (count + WARM_UP),
            vacuum_s / (count + WARM_UP) * 1e3,
            connections - 1,  # the one that asks
        )


def _vacuumed(server: Server) -> tuple[int, float]:
    """The rows that a vacuum of everything finds dead, and its processor time in seconds."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute("SELECT sum(n_dead_tup)::bigint FROM pg_stat_user_tables").fetchone()
        begin = read(server, os.getpid())
        connection.execute("VACUUM")
        return int(row[0]) if row else 0, read(server, os.getpid()).postgres_s - begin.postgres_s


def _committed(server: Server) -> int:
    return int(server.asked("SELECT xact_commit FROM pg_stat_database WHERE datname = 'settlepipe'"))


def measure(kind: str, count: int, arguments: argparse.Namespace) -> tuple[list[Part], Whole]:
    """Both tables, of a new server; with a synchronous standby where `kind` says so."""
    with primary(**SERVER) as server, tempfile.TemporaryDirectory(prefix="settlepipe-limits-") as folder:
        Path(folder).chmod(0o755)
        if kind != "alone":
            server.standby("standby")
            server.asked("ALTER SYSTEM SET synchronous_standby_names = '*'")
            server.asked("SELECT pg_reload_conf()")
        home, url = Path(folder) / "servers", SecretStr(server.url)
        given = Settings.model_construct(home=home, database_url=url, broker_url=None)
        with embedded_servers(given.home, given) as servers, running_sandbox() as sandbox_url:
            found = parts(server, servers.broker_url, Path(folder) / "home", count)
            server.asked("DROP DATABASE settlepipe WITH (FORCE)")
            server.asked("CREATE DATABASE settlepipe")
            asked = {"username": "sandbox", "password": "sandbox"}
            token = str(post(f"{sandbox_url}/{PROVIDER}/api/token/", asked)["access"])
            home, sizes = Path(folder) / "whole", (arguments.processes, arguments.threads)
            home.mkdir(mode=0o755)
            world = BenchStack(home, server.url, servers.broker_url, sandbox_url, token, *sizes)
            return found, whole(server, world, arguments.payments)


def tables(kind: str, found: list[Part], all_of_it: Whole) -> list[Table]:
    """Both, of at most 80 columns."""
    alone_table = Table(title=f"{kind}: each part by itself", width=78)
    for name in ("part", "a second", "own ms", "postgres ms", "log"):
        alone_table.add_column(name, justify="left" if name == "part" else "right")
    for one in found:
        row = (f"{one.a_second:,.0f} {one.each}s", f"{one.own_ms:.3f}", f"{one.postgres_ms:.3f}")
        alone_table.add_row(one.name, *row, f"{one.log_bytes / 1024:.2f} kB")
    whole_table = Table(title=f"{kind}: the whole, {all_of_it.a_second:.0f} payments a second", width=78)
    whole_table.add_column("of a payment")
    whole_table.add_column("", justify="right")
    for name, spent_ms in sorted(all_of_it.processor_ms.items(), key=lambda item: -item[1]):
        whole_table.add_row(name, f"{spent_ms:.2f} ms")
    whole_table.add_row("all processes", f"{sum(all_of_it.processor_ms.values()):.2f} ms")
    whole_table.add_row("log", f"{all_of_it.log_bytes / 1024:.1f} kB")
    whole_table.add_row("commits", f"{all_of_it.commits:.2f}")
    whole_table.add_row("dead rows", f"{all_of_it.dead_rows:.2f}")
    whole_table.add_row("vacuum of them", f"{all_of_it.vacuum_ms:.3f} ms")
    whole_table.add_row("connections, of all", str(all_of_it.connections))
    return [alone_table, whole_table]


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="make bench-limits", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=50_000, help="of what each part does (50000)")
    parser.add_argument("--payments", type=int, default=10_000, help="of the whole (10000)")
    parser.add_argument("--processes", type=int, default=2, help="of a lane's workers (2)")
    parser.add_argument("--threads", type=int, default=16, help="in each of them (16)")
    parser.add_argument("--only", choices=("alone", "standby"), nargs="+", default=["alone", "standby"])
    arguments = parser.parse_args()
    console = Console(highlight=False)
    for kind in arguments.only:
        title = "no standby" if kind == "alone" else "a synchronous standby"
        for shown in tables(title, *measure(kind, arguments.count, arguments)):
            console.print(shown)


if __name__ == "__main__":
    main()
