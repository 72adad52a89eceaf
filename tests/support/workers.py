"""Lane workers by themselves: real Celery processes on the tests' servers and sandbox, fed by the test's process."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from deploy.local.processes import sandbox_settings
from scheduler.dispatcher import look
from shared.database.engine import Row
from shared.directory.refresh import refresh
from shared.messaging import broker, queues, tasks
from shared.messaging.intake_stream import Entry
from shared.payments.accept import accept
from shared.runtime import Runtime
from shared.settings import PREFIX, Settings
from shared.settings.sections import BillcenterSettings
from shared.start import start
from tests.support import warm
from tests.support.intents import settle
from tests.support.lone import KEY
from tests.support.patience import PATIENCE
from tests.support.sandbox import SandboxClient
from tests.support.stack import SHORT, STREAM, descendants, standing_still, tail, wait_until
from tests.support.warm import Process

LANE = "billcenter"  # its resends are promised to be safe: payments are claimed in lots
DEADLINE_S = float(SHORT["HTTP__TOTAL_TIMEOUT_S"])
READY_S, END_S = 60, 90


@dataclass
class Worker:
    """A worker's process. asked_at: when it was asked to stop, by the database's clock."""

    process: Process
    log: Path
    asked_at: datetime | None = None

    def wait(self) -> int:
        """Its exit status, when it has ended."""
        return self.process.wait(END_S * PATIENCE)

    def said(self, words: str) -> bool:
        return words in self.log.read_text(errors="replace")


@dataclass
class Lane:
    """A lane whose dispatcher and intake are this process. Payments have the numbers of `settle`."""

    runtime: Runtime
    sandbox: SandboxClient
    folder: Path
    environment: dict[str, str]
    broker_url: str
    failures: list[BaseException] = field(default_factory=list)

    def rows(self, statement: str, *given: Any) -> list[Row]:
        with self.runtime.database.connection() as connection:
            cursor = connection.execute(statement.encode(), given or None)
            return cursor.fetchall() if cursor.description else []

    def pay(self, numbers: Sequence[int]) -> None:
        """Accept these settles."""
        raws = [json.dumps(settle("stop", number)).encode() for number in numbers]
        assert accept(self.runtime, [Entry(STREAM, b"1-1", raw, {}) for raw in raws]) == len(numbers)

    def counted(self, state: str) -> int:
        return int(self.rows("SELECT count(*) AS n FROM payments WHERE state = %s", state)[0]["n"])

    @contextmanager
    def dispatching(self) -> Iterator[None]:
        """Look at the lane whenever somebody rings, until the block ends."""
        stop, client, app = threading.Event(), broker.connect(self.broker_url), tasks.celery_app(self.broker_url)

        def run() -> None:
            try:
                while not stop.is_set():
                    broker.wait_for_ring(client, 0.1)
                    look(self.runtime, LANE, app)
            except BaseException as error:
                self.failures.append(error)

        thread = threading.Thread(target=run, name="dispatcher")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        assert not self.failures, self.failures

    @contextmanager
    def worker(self, name: str, *options: str, **changed: str) -> Iterator[Worker]:
        """A worker that is ready; killed, if it still runs, when the block ends. options: of `celery worker`."""
        log = self.folder / f"{name}.log"
        command = ("celery", "-A", "worker.app", "worker", "-P", "threads", "-E")
        lane = ("-Q", queues.lane_queue(LANE), "-n", f"{name}@%h", *options)
        environment = self.environment | {PREFIX + key: value for key, value in changed.items()}
        process = warm.fork(environment, log, warm.module, *command, *lane)
        worker = Worker(process, log)
        try:
            wait_until(lambda: worker.said(" ready.") or process.poll() is not None, f"{name} is ready", READY_S)
            assert process.poll() is None
            yield worker
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            print(tail(log))  # shown when the test fails

    def stopped(self, worker: Worker, status: int = 0, number: int = signal.SIGTERM) -> float:
        """Stop it; how many seconds it took. status: its exit status."""
        # The tests' servers are on this machine: this is the database's clock, which may be frozen.
        worker.asked_at, began = datetime.now(UTC), time.monotonic()
        worker.process.send_signal(number)
        assert worker.wait() == status
        return time.monotonic() - began

    def late_attempts(self, worker: Worker) -> list[Row]:
        """Attempts that began more than a second after it was asked to stop."""
        statement = "SELECT payment_id, started_at FROM attempts WHERE started_at > %s + interval '1 second'"
        return self.rows(statement, worker.asked_at)

    @contextmanager
    def frozen_database(self) -> Iterator[None]:
        """Stop PostgreSQL, all of it, for the length of the block."""
        with self.runtime.database.connection() as connection:
            backend = connection.info.backend_pid
        with standing_still(descendants(_postmaster(backend))):
            yield

    @contextmanager
    def frozen_broker(self) -> Iterator[None]:
        """Stop Valkey for the length of the block."""
        with standing_still(descendants(_broker(self.broker_url))):
            yield


@contextmanager
def frozen_servers(backend: int, broker_url: str) -> Iterator[None]:
    """Stop both servers for the length of the block. backend: the pid of any session of PostgreSQL's."""
    with standing_still(descendants(_broker(broker_url))), standing_still(descendants(_postmaster(backend))):
        yield


def _postmaster(backend: int) -> int:
    return int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])


def _broker(url: str) -> int:
    with broker.connect(url) as client:
        told: Any = client.info("server")
    return int(told["process_id"])


@contextmanager
def lane(database_url: str, broker_url: str, sandbox: SandboxClient, folder: Path, **section: Any) -> Iterator[Lane]:
    """section: settings of the lane."""
    login = {name.lower(): value for name, value in _provider(sandbox).items()}
    settings = Settings(
        database_url=SecretStr(database_url),
        broker_url=SecretStr(broker_url),
        home=folder / "home",
        secret_keys=(SecretStr(KEY),),
        reference_key=SecretStr(KEY),
        dispatch_lease_s=120,  # what nobody gives back is not seen again
        billcenter=BillcenterSettings(**login, **section),
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    changed = {
        **SHORT,
        "DATABASE_URL": database_url,
        "BROKER_URL": broker_url,
        "HOME": str(folder / "home"),
        "SECRET_KEYS": json.dumps([KEY]),
        "REFERENCE_KEY": KEY,
        **{f"{LANE.upper()}__{name.upper()}": str(value) for name, value in {**login, **section}.items()},
    }
    environment |= {PREFIX + name: value for name, value in changed.items()}
    runtime = start(settings, pool_size=6)
    try:
        for kind in runtime.connected[LANE].refreshes:
            refresh(runtime, LANE, kind)
        yield Lane(runtime, sandbox, folder, environment, broker_url)
    finally:
        runtime.close()


def _provider(sandbox: SandboxClient) -> dict[str, str]:
    prefix = f"{PREFIX}{LANE.upper()}__"
    return {name.removeprefix(prefix): value for name, value in sandbox_settings(LANE, sandbox.url).items()}
