"""How late the periodic jobs are."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from scheduler import job_runs
from scheduler.schedule import Job
from scheduler.slots import following, latest
from shared.database import clock
from shared.database.engine import Connection


def late_s(job: Job, newest: datetime | None, unfinished: datetime | None, now: datetime) -> float:
    """Seconds since the oldest slot of this job that came and is not done: one that nobody planned counts as well.

    newest: the newest slot that was planned. unfinished: the oldest one that was, and is not done.
    """
    if unfinished is None:
        unfinished = latest(job.when, now) if newest is None else following(job.when, newest)
    return max(0.0, (now - unfinished).total_seconds())


def late(connection: Connection, table: Sequence[Job]) -> Mapping[str, float]:
    """The same of each job."""
    names = [job.name for job in table]
    now = clock.now(connection)
    newest, unfinished = job_runs.newest_slots(connection, names), job_runs.unfinished(connection)
    return {job.name: late_s(job, newest.get(job.name), unfinished.get(job.name), now) for job in table}
