"""The Celery app of the jobs' worker. Prefork: a job that hangs is ended by killing its process at its deadline."""

import contextlib
import mmap
import os
import signal
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from celery.signals import worker_init

from scheduler import job_counts, runs
from scheduler.schedule import Job, jobs_of
from shared import celery_process, process, reload, stopping
from shared.messaging import tasks
from shared.messaging.celery_stop import stop_step
from shared.reconciliation import run as _run  # noqa: F401 - once, before the children that compare are forked
from shared.runtime import Runtime
from shared.settings import load_settings
from shared.start import start
from shared.telemetry import celery_logs
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

settings = load_settings()
celery_logs.connect(settings)
app = process.celery(settings, "settlepipe-jobs")
app.conf.worker_max_tasks_per_child = 500
app.conf.worker_consumer = "shared.messaging.celery_consumer:Consumer"


def _bounded(worker: Any) -> Callable[[], None]:
    def end(within_s: float) -> bool:
        """Celery waits for the jobs that run, which may take hours. What still runs by then is started again when its
        lease ends, as after a crash."""
        time.sleep(within_s)
        for pid in worker.pool.info["processes"]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return False

    reload.hears(_ask)  # in place of Celery, which would restart this process
    return stopping.bounded(stopping.SINGLE_S, then=end, signals=(*stopping.STOPS, signal.SIGQUIT))


app.steps["worker"].add(stop_step(_bounded))


def _try() -> None:
    """Can a runtime be made? Nothing of it is kept: a child that is forked has to make its own."""
    start(settings, pool_size=1).close()


def _gather(**_: Any) -> None:
    job_counts.gather()


worker_init.connect(_gather, weak=False)  # before a child is forked


celery_process.prepare(app, "jobs", settings, _try)


# Shared with the children, who do the jobs: how often a reload was asked for, by 256. (A signal would end a child.)
_asked = mmap.mmap(-1, 1)
_heard: list[int] = []  # how often it was when this child looked last


def _ask() -> None:
    _asked[0] = (_asked[0] + 1) % 256


@lru_cache(maxsize=1)
def _made() -> tuple[Runtime, reload.Reload]:
    found = start(settings, pool_size=3)
    return found, reload.Reload(found)


def runtime() -> Runtime:
    """This process's runtime, connected at first use: never before the fork. Its credentials are as of the last reload:
    `settings` are those of the parent's start."""
    found, reloads = _made()
    if [_asked[0]] != _heard:
        _heard[:] = [_asked[0]]
        reloads.now()
    return found


def table() -> tuple[Job, ...]:
    """The jobs of the providers that are on."""
    return jobs_of(runtime().connected.keys())


@app.task(name=tasks.TICK)  # type: ignore[untyped-decorator]
def tick() -> None:
    """Have run what is due."""
    for run_id, job in runs.tick(runtime(), table()):
        try:
            tasks.send_job(app, run_id, job.deadline_s)
        except Exception as error:  # its lease ends, and it is sent again; the others go on
            log.warning("a job's message could not be sent", job=job.name, reason=type(error).__name__)


@app.task(name=tasks.RUN_JOB)  # type: ignore[untyped-decorator]
def run(run_id: int) -> None:
    """Do one run of a job."""
    runs.run(runtime(), run_id, table())
