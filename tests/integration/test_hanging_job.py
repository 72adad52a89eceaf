"""A job that hangs is ended at its deadline, is seen, and is started again. Real Celery, real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet
from psycopg.rows import dict_row

from shared.database.engine import driver_url
from shared.messaging import queues, tasks
from shared.messaging.tasks import celery_app
from tests.support.stack import ROOT, descendants, tail, wait_until


@contextmanager
def jobs_worker(environment: dict[str, str], log: Path) -> Iterator[None]:
    command = (sys.executable, "-m", "celery", "-A", "tests.support.hanging_jobs", "worker", "-Q", queues.JOBS_QUEUE)
    with log.open("wb") as sink:
        process = subprocess.Popen(
            (*command, "-P", "prefork", "-c", "2"), env=environment, cwd=ROOT, stdout=sink, stderr=sink
        )
    try:
        yield
    finally:
        for pid in descendants(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        print(tail(log))


def test_a_job_that_hangs_is_ended_by_its_own_deadline(database_url: str, broker_url: str, tmp_path: Path) -> None:
    environment = os.environ | {
        "SETTLEPIPE_DATABASE_URL": database_url,
        "SETTLEPIPE_BROKER_URL": broker_url,
        "SETTLEPIPE_SECRET_KEYS": f'["{Fernet.generate_key().decode()}"]',
        "HANGING_JOB_FILE": str(tmp_path / "started"),
    }
    log = tmp_path / "log"
    app = celery_app(broker_url)
    with (
        psycopg.connect(driver_url(database_url), autocommit=True, row_factory=dict_row) as connection,
        jobs_worker(environment, log),
    ):

        def tick_until(state: str, attempts: int) -> dict[str, object]:
            def look() -> list[dict[str, object]]:
                app.send_task(tasks.TICK, queue=queues.JOBS_QUEUE)
                return connection.execute(
                    "SELECT * FROM job_runs WHERE state = %s AND attempts = %s", (state, attempts)
                ).fetchall()

            return wait_until(look, f"the job is {state}", 30, pause_s=0.2)[0]

        tick_until("running", 1)
        wait_until(lambda: b"Hard time limit" in log.read_bytes(), "its process is killed", 20)
        connection.execute("UPDATE job_runs SET due_at = clock() WHERE state = 'running'")  # its lease ends
        done = tick_until("done", 2)
    assert done["outcome"] == "the second time it worked"
    assert "a job's run has no end" in log.read_text(), "and somebody was told"
