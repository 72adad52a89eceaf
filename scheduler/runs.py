"""tick and run: what is due is planned and claimed in PostgreSQL, then done once by whoever gets the message.

Where it can die, and what is true then:
  tick, before its commit     nothing changed; the next tick does the same
  tick, after its commit      the dispatched runs' leases end, they are dispatched again
  run, before or while doing  its lease ends (nobody renews it), the slot is started again
  run, before its record      the same: the job is done again, which every job allows; recorded once
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from scheduler import job_counts, slots
from scheduler import job_runs as store
from scheduler.job_runs import Planned, Run
from scheduler.schedule import CatchUp, Job
from shared.database import clock
from shared.database import store as whole
from shared.database.engine import AWAY
from shared.domain.backoff import next_wait
from shared.providers.base import BooksUnread, LoginRefused, LoginUnavailable, LookupFailed, RefreshFailed
from shared.reconciliation.fetch import Elsewhere
from shared.reconciliation.run import NotCompared
from shared.reconciliation.turn import Busy
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, bound, get_logger

log = get_logger(__name__)

LEASE_S = 30.0
_BEAT_S = 8.0
_MOST_SLOTS = 62  # planned at once: two months of nights
_ON_TIME = timedelta(minutes=5)
_RETRY_BASE_S, _RETRY_CAP_S = 30.0, 3600.0
# What they say is for people.
_TOLD = (RefreshFailed, LookupFailed, LoginRefused, LoginUnavailable, BooksUnread, NotCompared, Busy, Elsewhere)
_ALERT_AFTER = 3  # failed attempts at one slot


def tick(runtime: Runtime, table: Sequence[Job]) -> list[tuple[int, Job]]:
    """Plan the slots that have come, take back lost runs, claim what is due: (run id, job) to be published.

    Committed when it returns. Any number of ticks may run at once: one does the work.
    """
    by_name = {job.name: job for job in table}
    with runtime.database.transaction() as connection:
        if not whole.is_open(connection, runtime.seen):
            return []
        if not store.try_tick_lock(connection):
            return []
        ahead = store.forget_ahead(connection, max(_RETRY_CAP_S, LEASE_S))
        if ahead:
            alert(Alert.CLOCK_RAN_AHEAD, "the database's clock ran ahead; what it planned is taken back", jobs=ahead)
        now, newest = clock.now(connection), store.newest_slots(connection, list(by_name))
        store.plan(connection, [slot for job in table for slot in _planned(job, newest.get(job.name), now)])
        taken_back = store.recover(connection)
        for row in taken_back:
            _lost(row)
        made_up = [job.name for job in table if job.catch_up is not CatchUp.EACH]
        given_up = store.supersede(connection, made_up)
        for row in given_up:
            alert(Alert.JOB_GIVEN_UP, "a job's slot was not completed", job=row["job"], slot=row["slot"].isoformat())
        due = store.claim_due(connection, list(by_name), LEASE_S)
    for word, rows in (("lost", taken_back), ("given_up", given_up)):
        for row in rows:
            if row.get("was") != "dispatched":  # nobody had begun that
                job_counts.ended(row["job"], word, 0)
    return [(row["id"], by_name[row["job"]]) for row in due]


def _lost(row: Mapping[str, Any]) -> None:
    fields = {"job": row["job"], "slot": row["slot"].isoformat(), "attempt": row["attempts"]}
    if row["was"] == "dispatched":
        log.warning("nobody took a job's message; it is sent again", **fields)
    else:
        alert(Alert.JOB_LOST, "a job's run has no end: its runner was killed or hung; it is started again", **fields)


def _planned(job: Job, newest: datetime | None, now: datetime) -> list[Planned]:
    try:
        return planned(job, newest, now)
    except Exception as error:  # its own, the other jobs go on
        log.error("a job can't be planned", job=job.name, exc_info=error)
        return []


def planned(job: Job, newest: datetime | None, now: datetime) -> list[Planned]:
    """The slots that have come since `newest`; of a job never planned before, only the last one."""
    if newest is None:
        newest = slots.latest(job.when, now) - timedelta(microseconds=1)
    found = slots.between(job.when, newest, now, _MOST_SLOTS)
    if job.catch_up is CatchUp.EACH:
        return [Planned(job.name, slot, skipped=False) for slot in found]
    late = job.catch_up is CatchUp.NONE and bool(found) and now - found[-1] > _ON_TIME
    return [Planned(job.name, slot, skipped=late or slot != found[-1]) for slot in found]


def run(runtime: Runtime, run_id: int, table: Sequence[Job]) -> None:
    """Do one dispatched run, if it is still this message's to do, and record how it ended."""
    by_name = {job.name: job for job in table}
    with runtime.database.connection() as connection:
        claimed = store.claim(connection, run_id, LEASE_S) if whole.is_open(connection, runtime.seen) else None
    if claimed is None:
        return
    with bound(job=claimed.job, slot=claimed.slot.isoformat(), attempt=claimed.attempt):
        job = by_name.get(claimed.job)
        if job is None:
            _record(runtime, claimed, "waiting", "its provider was switched off", wait_s=_RETRY_CAP_S)
            return
        began_s = time.monotonic()
        try:
            with _renewed(runtime, claimed, job.deadline_s):
                outcome = job.do(runtime, claimed.slot)
        except Exception as error:
            took_s = time.monotonic() - began_s
            if _failed(runtime, claimed, error):
                job_counts.ended(job.name, "failed", took_s)
        else:
            took_s = time.monotonic() - began_s
            log.info("job done", outcome=outcome)
            if _record(runtime, claimed, "done", outcome):
                job_counts.ended(job.name, "done", took_s)


def _failed(runtime: Runtime, claimed: Run, error: Exception) -> bool:
    # What a provider or the database did is told in a sentence; anything else is a defect, told by its class.
    told = isinstance(error, _TOLD)
    outcome = str(error) if told else f"it failed: {type(error).__name__}"
    if not told and not isinstance(error, AWAY):
        log.error("a job failed", exc_info=error)
    if claimed.attempt >= _ALERT_AFTER:
        alert(Alert.JOB_FAILING, "a job fails again and again; see `settlepipe jobs`", reason=outcome)
    else:
        log.warning("the job will be tried again", reason=outcome)
    wait_s = next_wait(claimed.attempt, _RETRY_BASE_S, _RETRY_CAP_S)
    return _record(runtime, claimed, "waiting", outcome, wait_s)


def _record(runtime: Runtime, claimed: Run, to: str, outcome: str, wait_s: float | None = None) -> bool:
    """Was it still this run's to record?"""
    with runtime.database.connection() as connection:
        recorded = store.record(connection, claimed, to, outcome, wait_s)
    if not recorded:
        log.warning("the run was taken for lost and started again meanwhile; its end is not recorded")
    return recorded


@contextmanager
def _renewed(runtime: Runtime, claimed: Run, deadline_s: float) -> Iterator[None]:
    """Renew the lease until the block ends, the deadline passes or this process dies."""
    ended = threading.Event()

    def beat() -> None:
        left_s = deadline_s
        while left_s > 0 and not ended.wait(min(_BEAT_S, left_s)):
            left_s -= _BEAT_S
            try:
                with runtime.database.connection() as connection:
                    if not store.beat(connection, claimed, LEASE_S):
                        return
            except AWAY:
                log.warning("PostgreSQL does not answer; the job goes on")

    thread = threading.Thread(target=beat, name="job-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
