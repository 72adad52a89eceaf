"""The other processes, asked to stop while PostgreSQL and the broker are frozen: each is gone within its bound."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from deploy.local.processes import SINGLE_GRACE_S
from shared.database.engine import driver_url
from shared.messaging import queues, tasks
from shared.messaging.tasks import celery_app
from shared.settings import PREFIX
from tests.support import lone
from tests.support.stack import ROOT, descendants, is_alive, tail, wait_until
from tests.support.workers import frozen_servers

pytestmark = pytest.mark.timeout(300)
CELERYS = {
    "beat": ("scheduler.beat", "beat"),
    "beat-in-a-tick": ("tests.support.asked_in_a_tick", "beat"),
    # Its one job hangs for an hour.
    "jobs": ("tests.support.hanging_jobs", "worker", "-Q", queues.JOBS_QUEUE, "-P", "prefork", "-c", "2"),
}
SLOW = 3  # a loaded machine; without a bound they would wait for the servers for ever
UP = {"beat": "beat: Starting", "beat-in-a-tick": "beat: Starting", "jobs": " ready."}


@contextmanager
def celery(name: str, database_url: str, broker_url: str, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    app, verb, *options = CELERYS[name]
    if verb == "beat":
        options = ["-s", str(folder / "beat-schedule")]
    environment = os.environ | {
        f"{PREFIX}DATABASE_URL": database_url,
        f"{PREFIX}BROKER_URL": broker_url,
        f"{PREFIX}SECRET_KEYS": f'["{lone.KEY}"]',
        "HANGING_JOB_FILE": str(folder / "started"),
        "HANGING_JOB_DEADLINE_S": "3600",
    }
    log = folder / f"{name}.log"
    command = (sys.executable, "-m", "celery", "-A", app, verb, "--loglevel", "INFO", *options)
    with log.open("wb") as sink:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=sink, stderr=sink)
    try:
        wait_until(lambda: UP[name] in log.read_text() or process.poll() is not None, f"{name} is up", 60)
        yield process
    finally:
        for pid in descendants(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        print(tail(log))  # shown when the test fails


def test_while_both_servers_are_frozen(database_url: str, broker_url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        singles = [
            stack.enter_context(lone.running(module, tmp_path, database_url, broker_url, WEB__PORT="0")).process
            for module in ("worker.intake", "worker.web.__main__", "scheduler.dispatcher", "scheduler.relay")
        ]
        singles += [stack.enter_context(celery(name, database_url, broker_url, tmp_path)) for name in ("beat", "jobs")]
        celery_app(broker_url).send_task(tasks.TICK, queue=queues.JOBS_QUEUE)
        wait_until((tmp_path / "started").exists, "the job runs")
        tree = [pid for process in singles for pid in descendants(process.pid)]
        assert len(tree) == len(singles) + 2, "the jobs have processes of their own"
        with psycopg.connect(driver_url(database_url), autocommit=True) as connection:
            backend = connection.info.backend_pid
            with frozen_servers(backend, broker_url):
                time.sleep(0.2)  # each of them waits for an answer by now, or will
                began = time.monotonic()
                for process in singles:
                    process.terminate()
                for process in singles:
                    process.wait(60)
                assert time.monotonic() - began < SLOW * SINGLE_GRACE_S
        assert [pid for pid in tree if is_alive(pid)] == []


def test_a_beat_that_is_asked_inside_a_tick_ends_well(database_url: str, broker_url: str, tmp_path: Path) -> None:
    with celery("beat-in-a-tick", database_url, broker_url, tmp_path) as beat:
        assert beat.wait(60) == 0
