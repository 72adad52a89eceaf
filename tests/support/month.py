"""Periodic jobs over many days of a clock that the test sets, with two beats, two jobs' workers, kills and restarts."""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import psycopg

from scheduler.schedule import Job, jobs_of
from scheduler.slots import between, latest
from tests.support import stack
from tests.support.stack import ROOT, Stack, descendants, wait_until

STEP = timedelta(hours=1)
MINUTE = 5  # of each hour, where the clock stands: no slot is near before or after it
A_LEASE = timedelta(seconds=31)  # a little more than a run's
# So long a step is waited for before time goes on; longer each time: on a loaded machine a run that is at work must
# not be taken for lost again and again.
LOOK_S = 1.0
PROVIDERS = ("billcenter", "ubill", "mtn", "invoicepayment", "bmms")

# It stands still between the steps: a slot that came by itself could come just before the next hour's, and rightly be
# left out for that one.
CLOCK = (
    "CREATE TABLE test_clock AS SELECT clock() AS moment",
    """CREATE OR REPLACE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT moment FROM public.test_clock $$""",
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
        for pid in descendants(running.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        running.wait()


def set_clock(up: Stack, moment: datetime) -> datetime:
    """Set the database's clock, as a whole: nobody sees it in between."""
    up.query("UPDATE test_clock SET moment = %s RETURNING moment", moment)
    return moment


def done(up: Stack, jobs: Sequence[Job]) -> Mapping[str, datetime]:
    """The newest completed slot of each of these jobs."""
    rows = up.query(
        "SELECT job, max(slot) AS slot FROM job_runs WHERE state = 'done' AND job = ANY(%s) GROUP BY job",
        [job.name for job in jobs],
    )
    return {row["job"]: row["slot"] for row in rows}


def wait_completed(up: Stack, jobs: Sequence[Job], now: datetime) -> None:
    """Every job's newest slot is done; while one is not, time goes on (a killed run's lease has to end)."""
    expected = {job.name: latest(job.when, now) for job in jobs}
    for tries in range(12):
        end = time.monotonic() + LOOK_S * 2 ** min(tries, 6)
        while time.monotonic() < end:
            if done(up, jobs) == expected:
                return
            time.sleep(0.02)
        now = set_clock(up, now + A_LEASE)
        assert expected == {job.name: latest(job.when, now) for job in jobs}, "it took the whole hour"
    raise AssertionError(json.dumps(up.query("SELECT * FROM job_runs WHERE due_at IS NOT NULL"), default=str))


def each_slot_is_completed_once(folder: Path, days: int, kills: int) -> None:
    """So many days of jobs, hour by hour, with so many kills at random hours: each slot is done, none is left out."""
    rng, steps, table = random.Random("month"), days * 24, jobs_of(PROVIDERS)
    killed_at = set(rng.sample(range(1, steps), kills))
    up = stack.start(folder / "home", workers=1, JOBS_TICK_S="0.1")
    try:
        first = f"SELECT count(*) = {len(table)} AS every FROM job_runs WHERE state = 'done'"
        wait_until(lambda: up.query(first)[0]["every"], "each job ran once", 120)
        with psycopg.connect(up.told["database_url"], autocommit=True) as connection, connection.transaction():
            for statement in CLOCK:
                connection.execute(statement.encode())
        begin = up.query("SELECT clock() AS now")[0]["now"]
        moment = begin.replace(minute=MINUTE, second=0, microsecond=0)
        with twin(up, "beat", 1), twin(up, "worker-jobs", 1):
            for step in range(steps):
                moment += STEP
                set_clock(up, moment)
                if step in killed_at:
                    up.kill(rng.choice(("beat", "worker-jobs")))
                wait_completed(up, table, moment)
        for job in table:
            expected = set(between(job.when, begin, moment, steps * 60))
            rows = up.query("SELECT slot FROM job_runs WHERE job = %s AND state = 'done'", job.name)
            assert expected <= {row["slot"] for row in rows}, job.name
        rows = up.query("SELECT job, state, count(*) AS n FROM job_runs GROUP BY job, state ORDER BY 1, 2")
        assert {row["state"] for row in rows} == {"done"}, rows
    finally:
        assert up.stop() == 0
