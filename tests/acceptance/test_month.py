"""A month of periodic jobs on a fast clock, with two beats, two jobs' workers, kills and restarts."""

import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from scheduler.schedule import Job, jobs_of
from scheduler.slots import between
from tests.support import stack
from tests.support.stack import ROOT, Stack, descendants, wait_until

STEP = timedelta(hours=1)
STEPS = 30 * 24
KILLS = 12
LEASE_S = 31  # a little more than a run's lease

pytestmark = pytest.mark.timeout(600)

CLOCK = (
    "CREATE TABLE test_clock AS SELECT interval '0' AS shift",
    """CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT now() + shift FROM public.test_clock $$""",
)


@contextmanager
def twin(up: Stack, name: str, number: int) -> Iterator[None]:
    """Another process beside the one of this name: the same command and environment, files of its own."""
    process = Path(f"/proc/{up.pids[name]}")
    command = (process / "cmdline").read_text().rstrip("\0").split("\0")
    pairs = (line.partition("=") for line in (process / "environ").read_text().rstrip("\0").split("\0"))
    environment = {key: value for key, _, value in pairs if key != "NOTIFY_SOCKET"}
    command = [f"twin{number}-{part}" if part == "jobs@%h" else part for part in command]
    command = [f"{part}-twin{number}" if part.endswith("beat-schedule") else part for part in command]
    log = up.home.parent / f"{name}-twin{number}.log"
    with log.open("wb") as sink:
        running = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=sink, stderr=sink)
    try:
        yield
        assert running.poll() is None, stack.tail(log)
    finally:
        children = descendants(running.pid)
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            running.wait()


def advance(up: Stack, by: timedelta) -> datetime:
    up.query("UPDATE test_clock SET shift = shift + %s RETURNING shift", by)
    moment: datetime = up.query("SELECT clock() AS now")[0]["now"]
    return moment


def open_runs(up: Stack) -> int:
    found: int = up.query("SELECT count(*) AS n FROM job_runs WHERE due_at IS NOT NULL")[0]["n"]
    return found


def completed(up: Stack, job: Job) -> set[datetime]:
    rows = up.query("SELECT slot FROM job_runs WHERE job = %s AND state = 'done'", job.name)
    return {row["slot"] for row in rows}


def wait_completed(up: Stack, expected: dict[str, datetime]) -> None:
    """Every job's newest slot is done; while one is not, time goes on (a killed run's lease has to end)."""
    names = list(expected)

    def done() -> bool:
        rows = up.query(
            "SELECT job, max(slot) AS slot FROM job_runs WHERE state = 'done' AND job = ANY(%s) GROUP BY job", names
        )
        return {row["job"]: row["slot"] for row in rows} == expected

    for _ in range(60):
        try:
            wait_until(done, "the slots are completed", 1.0, pause_s=0.02)
        except AssertionError:
            advance(up, timedelta(seconds=LEASE_S))
        else:
            return
    raise AssertionError(json.dumps(up.query("SELECT * FROM job_runs WHERE due_at IS NOT NULL"), default=str))


def test_each_slot_of_a_month_is_completed_once(tmp_path: Path) -> None:
    rng = random.Random("month")
    up = stack.start(tmp_path / "home", workers=1, JOBS_TICK_S="0.1")
    try:
        table = jobs_of(["billcenter", "ubill", "mtn", "invoicepayment", "bmms"])
        wait_until(
            lambda: up.query("SELECT count(*) = %s AS all FROM job_runs WHERE state = 'done'", len(table))[0]["all"],
            "each job ran once",
            60,
        )
        with psycopg.connect(up.told["database_url"], autocommit=True) as connection:
            for statement in CLOCK:
                connection.execute(statement.encode())
        begin = now = up.query("SELECT clock() AS now")[0]["now"]
        kills = set(rng.sample(range(STEPS), KILLS))
        newest = {row["job"]: row["slot"] for row in up.query("SELECT job, slot FROM job_runs")}
        with twin(up, "beat", 1), twin(up, "worker-jobs", 1):
            for step in range(STEPS):
                before, now = now, advance(up, STEP)
                if step in kills:
                    up.kill(rng.choice(("beat", "worker-jobs")))
                due = {job.name: found[-1] for job in table if (found := between(job.when, before, now, 9))}
                newest |= due
                if due or step in kills:
                    wait_completed(up, newest)
                    now = max(now, up.query("SELECT clock() AS now")[0]["now"])
        for job in table:
            expected = set(between(job.when, begin, now, STEPS * 60))
            assert expected <= completed(up, job), job.name
        rows = up.query("SELECT job, state, count(*) AS n FROM job_runs GROUP BY job, state ORDER BY 1, 2")
        assert {row["state"] for row in rows} == {"done"}, rows
    finally:
        assert up.stop() == 0
