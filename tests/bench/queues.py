"""The contenders whose queue is PostgreSQL. Their jobs are put aside first, and let go by one statement."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from tests.bench.contenders import READY_TIMEOUT_S, ROOT, names, stopped, until
from tests.bench.world import TIMEOUT_S, BenchStack, wire_body


class OnPostgres:
    """Workers of a module, each a process; its jobs are rows. released: has the workers at the rows that were put
    aside. ended: counts those of a run that are done. A worker that is ready says so in its last line."""

    name: str
    module: str
    released: str
    ended: str

    def __init__(self) -> None:
        self._workers: list[subprocess.Popen[bytes]] = []
        self._logs: list[Path] = []

    def prepare(self, world: BenchStack) -> None:
        """Its tables."""

    def put(self, world: BenchStack, bodies: list[dict[str, str]]) -> None:
        """Put these aside."""
        raise NotImplementedError

    def start(self, world: BenchStack) -> None:
        os.environ.update(names(world))
        os.environ["BENCH_DATABASE_URL"] = world.database_url  # without SQLAlchemy's driver in it
        self.prepare(world)
        for number in range(world.processes):
            self._logs.append(world.home / f"{self.name}-{number}.log")
            with self._logs[-1].open("wb") as log:
                command = [sys.executable, "-m", self.module]
                self._workers.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
        until(lambda: all(map(_ready, self._logs)), READY_TIMEOUT_S, f"{self.name}: no workers")

    def feed(self, world: BenchStack, run: str, count: int) -> None:
        self.put(world, [wire_body(run, number) for number in range(count)])

    def go(self, world: BenchStack) -> None:
        with psycopg.connect(world.database_url, autocommit=True) as connection:
            connection.execute(self.released.encode())

    def wait(self, world: BenchStack, run: str, count: int) -> None:
        until(lambda: _asked(world, self.ended, f"{run}-%") >= count, TIMEOUT_S, f"{self.name}: not all are done")

    def stop(self) -> None:
        stopped(self._workers)
        self._workers, self._logs = [], []


class Procrastinate(OnPostgres):
    name = "procrastinate"
    module = "tests.bench.by_procrastinate"
    released = "UPDATE procrastinate_jobs SET queue_name = 'bench' WHERE queue_name = 'bench-staged'"
    ended = """SELECT count(*) FROM procrastinate_jobs
        WHERE status = 'succeeded' AND args -> 'body' ->> 'payment_id' LIKE %s"""

    def prepare(self, world: BenchStack) -> None:
        with psycopg.connect(world.database_url, autocommit=True) as connection:
            if connection.execute("SELECT to_regclass('procrastinate_jobs') IS NULL").fetchone() == (True,):
                app = "--app=tests.bench.by_procrastinate.app"
                command = [sys.executable, "-m", "procrastinate", app, "schema", "--apply"]
                subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)

    def put(self, world: BenchStack, bodies: list[dict[str, str]]) -> None:
        from tests.bench.by_procrastinate import STAGED, settle  # noqa: PLC0415 - reads the environment

        app: Any = settle.blueprint
        with app.open():
            settle.configure(queue=STAGED).batch_defer(*({"body": body} for body in bodies))


class Dbos(OnPostgres):
    name = "dbos"
    module = "tests.bench.by_dbos"
    released = "UPDATE dbos.workflow_status SET queue_name = 'bench' WHERE queue_name = 'bench-staged'"
    ended = "SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS' AND workflow_uuid LIKE %s"

    def put(self, world: BenchStack, bodies: list[dict[str, str]]) -> None:
        from dbos import DBOSClient  # noqa: PLC0415

        client = DBOSClient(system_database_url=world.database_url)
        engine = sa.create_engine(names(world)["BENCH_DATABASE_URL"])
        try:
            with engine.begin() as connection:
                for body in bodies:
                    options: Any = {"workflow_name": "settle", "queue_name": "bench-staged", "app_version": "1"}
                    client.enqueue_in_transaction(connection, options | {"workflow_id": body["payment_id"]}, body)
        finally:
            engine.dispose()
            client.destroy()


def _ready(log: Path) -> bool:
    return log.read_text("utf-8", "replace").rstrip().endswith("ready")


def _asked(world: BenchStack, query: str, *given: str) -> int:
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        row = connection.execute(query.encode(), given or None).fetchone()
        return int(row[0]) if row else 0
