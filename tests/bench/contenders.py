"""The contenders. Each is started, fed and waited for in the same way."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis

from deploy.local.processes import SANDBOX_CREDENTIALS
from shared.messaging import intake_stream
from tests.bench.world import TIMEOUT_S, BenchStack, intent, wire_body

ROOT = Path(__file__).resolve().parents[2]
STREAM = "settlepipe:intake"
READY_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60
JOBS_TIMEOUT_S = 300
BATCH = 1000
# All of today are planned at once.
_JOBS_DONE = "SELECT (count(*) > 0 AND bool_and(due_at IS NULL))::int FROM job_runs"


class Contender(Protocol):
    """feed puts all payments of a run where the workers find them, and is not measured as far as it can be done
    ahead; go lets the workers at them; wait returns when the last one is done."""

    name: str

    def start(self, world: BenchStack) -> None: ...
    def feed(self, world: BenchStack, run: str, count: int) -> None: ...
    def go(self, world: BenchStack) -> None: ...
    def wait(self, world: BenchStack, run: str, count: int) -> None: ...
    def stop(self) -> None: ...


class CeleryApp:
    """A Celery app of this folder, run as any Celery app is: threads, events on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._workers: list[subprocess.Popen[bytes]] = []

    def start(self, world: BenchStack) -> None:
        command = [sys.executable, "-m", "celery", "-A", f"tests.bench.{self.name}", "worker", "-P", "threads"]
        command += ["-c", str(world.threads), "-E", "--loglevel", "WARNING", "-n"]
        environment = os.environ | names(world)
        for number in range(world.processes):
            log = (world.home / f"{self.name}-{number}.log").open("ab")
            with log:
                self._workers.append(
                    subprocess.Popen(
                        [*command, f"{self.name}{number}@bench"], cwd=ROOT, env=environment, stdout=log, stderr=log
                    )
                )
        app = self.module(world).app
        until(
            lambda: len(app.control.ping(timeout=0.5)) >= world.processes, READY_TIMEOUT_S, f"{self.name}: no workers"
        )

    def feed(self, world: BenchStack, run: str, count: int) -> None:
        module = self.module(world)
        bodies = [wire_body(run, number) for number in range(count)]
        messages: list[object] = list(bodies)
        if self.name == "naive":
            _insert(world, module, bodies)
            messages = [body["payment_id"] for body in bodies]
        # Onto another list first: the workers find them all at once when `go` renames it.
        with module.app.connection_for_write() as connection, connection.channel() as channel:
            producer = module.app.amqp.Producer(channel)
            for message in messages:
                module.settle.apply_async((message,), producer=producer, queue=f"{module.QUEUE}.staged")

    def go(self, world: BenchStack) -> None:
        queue = self.module(world).QUEUE
        with redis.Redis.from_url(world.broker_url) as client:
            client.rename(f"{queue}.staged", queue)

    def wait(self, world: BenchStack, run: str, count: int) -> None:
        if self.name == "plain":
            until(lambda: world.requests() >= count, TIMEOUT_S, "plain: not all payments were sent")
            return
        with psycopg.connect(world.database_url, autocommit=True) as connection:
            query = "SELECT count(*) FROM bench_naive_payments WHERE id LIKE %s AND state = 'succeeded'"
            until(lambda: asked(connection, query, f"{run}-%") >= count, TIMEOUT_S, "naive: not all succeeded")

    def stop(self) -> None:
        stopped(self._workers)
        self._workers = []

    def module(self, world: BenchStack) -> ModuleType:
        """What its workers run, for who hands messages over."""
        os.environ.update(names(world))
        import importlib  # noqa: PLC0415

        return importlib.import_module(f"tests.bench.{self.name}")


class Settlepipe:
    """The whole product as operators run it: intake, dispatcher, workers, relay, beat and Flower. The daily jobs of
    today are done when it has started: none of them, a night's comparison say, comes into what is measured.

    more: environment variables beside those that it needs.
    """

    name = "settlepipe"

    def __init__(self, more: Mapping[str, str] | None = None) -> None:
        self._more = dict(more or {})
        self._up: list[subprocess.Popen[bytes]] = []
        self._lines: list[str] = []

    def start(self, world: BenchStack) -> None:
        environment = os.environ | self.environment(world)
        settlepipe = str(Path(sys.executable).with_name("settlepipe"))
        command = [settlepipe, "up", "--workers", str(world.processes), "--concurrency", str(world.threads)]
        with (world.home / "settlepipe.log").open("ab") as log:
            up = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log)
        self._up.append(up)
        killer = threading.Timer(READY_TIMEOUT_S, up.kill)
        killer.start()
        ready = up.stdout is not None and up.stdout.readline() == b"ready\n"
        killer.cancel()
        if not ready:
            raise RuntimeError(f"settlepipe up did not start:\n{_tail(world.home / 'settlepipe.log')}")
        command = [settlepipe, "refresh", "bank-accounts"]
        # Our own stdout may be for JSON.
        subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=60)
        with psycopg.connect(world.database_url, autocommit=True) as connection:
            until(lambda: asked(connection, _JOBS_DONE) == 1, JOBS_TIMEOUT_S, "settlepipe: today's jobs did not end")

    def environment(self, world: BenchStack) -> Mapping[str, str]:
        """What its processes are told."""
        return {
            "SETTLEPIPE_HOME": str(world.home / "settlepipe"),
            "SETTLEPIPE_DATABASE_URL": world.database_url,
            "SETTLEPIPE_BROKER_URL": world.broker_url,
            "SETTLEPIPE_BILLCENTER__BASE_URL": world.provider_url,
            "SETTLEPIPE_BILLCENTER__USERNAME": "sandbox",
            "SETTLEPIPE_BILLCENTER__PASSWORD": "sandbox",
            "SETTLEPIPE_BILLCENTER__BANK_CODE": "50004",
            "SETTLEPIPE_BILLCENTER__DUPLICATE_PATTERN": SANDBOX_CREDENTIALS["billcenter"]["DUPLICATE_PATTERN"],
            **self._more,
        }

    def feed(self, world: BenchStack, run: str, count: int) -> None:
        # Only made ready: putting them on the stream, and intake, are part of what is measured.
        self._lines = [json.dumps(intent(run, number)) for number in range(count)]

    def go(self, world: BenchStack) -> None:
        submit(world, self._lines)

    def wait(self, world: BenchStack, run: str, count: int) -> None:
        with psycopg.connect(world.database_url, autocommit=True) as connection:
            query = "SELECT count(*) FROM payments WHERE source = %s AND state = 'succeeded'"
            until(
                lambda: asked(connection, query, f"bench-{run}") >= count,
                TIMEOUT_S,
                "settlepipe: not all payments succeeded; see `settlepipe payments`",
            )

    def stop(self) -> None:
        stopped(self._up)
        self._up = []


def submit(world: BenchStack, intents: Sequence[str]) -> None:
    """Put intents (JSON) on the intake stream."""
    with redis.Redis.from_url(world.broker_url) as client:
        for start in range(0, len(intents), BATCH):
            intake_stream.submit(client, STREAM, [line.encode() for line in intents[start : start + BATCH]])


@contextmanager
def started(contender: Contender, world: BenchStack) -> Iterator[Contender]:
    """The contender's processes run for the length of the block."""
    try:
        contender.start(world)
        yield contender
    finally:
        contender.stop()


def names(world: BenchStack) -> dict[str, str]:
    """What a contender's processes read from their environment."""
    parts = urlsplit(world.database_url)
    return {
        "BENCH_BROKER_URL": world.broker_url,
        "BENCH_DATABASE_URL": urlunsplit(parts._replace(scheme="postgresql+psycopg")),
        "BENCH_PROVIDER_URL": world.provider_url,
        "BENCH_TOKEN": world.token,
        "BENCH_THREADS": str(world.threads),
        "NO_PROXY": "127.0.0.1",
    }


def _insert(world: BenchStack, module: ModuleType, bodies: list[dict[str, str]]) -> None:
    """The rows are there before the clock starts: in a shop, the shop's own transaction wrote them."""
    module.metadata.create_all(module._engine)
    with psycopg.connect(world.database_url) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY bench_naive_payments (id, body, state) FROM STDIN") as copy:
            for body in bodies:
                copy.write_row((body["payment_id"], json.dumps(body), "accepted"))
        cursor.execute("ANALYZE bench_naive_payments")


def asked(connection: "psycopg.Connection[tuple[int]]", query: str, *values: str) -> int:
    """The one number that the query gives; 0 where it gives none."""
    row = connection.execute(query.encode(), values or None).fetchone()
    return row[0] if row else 0


def until(true: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
    """Wait until it is true. Raises TimeoutError, `otherwise` its text."""
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{otherwise} within {timeout_s:.0f} s")
        time.sleep(0.05)


def stopped(processes: list[subprocess.Popen[bytes]]) -> None:
    """End these, at once where they do not in time."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-20:])
