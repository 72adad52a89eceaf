"""Celery beat. It only ticks: what is due is decided by PostgreSQL, so any number of beats may run.

`scheduler.schedule` is the table of jobs. A tick that nobody took while it was fresh is dropped: the next one does
the same.
"""

from datetime import timedelta
from typing import Any

from celery.beat import PersistentScheduler
from celery.signals import beat_init

from shared import celery_process, health, process, stopping
from shared.messaging import queues, tasks
from shared.settings import load_settings
from shared.telemetry import celery_logs, counters

_LONGEST_SLEEP_S = 10.0  # between two turns of its loop

settings = load_settings()
celery_logs.connect(settings)
app = process.celery(settings, "settlepipe-beat")
celery_process.prepare(app, "beat", settings, lambda: process.right_servers(settings))
app.conf.beat_scheduler = "scheduler.beat:Scheduler"
app.conf.beat_max_loop_interval = _LONGEST_SLEEP_S
app.conf.beat_schedule = {
    "tick": {
        "task": tasks.TICK,
        "schedule": timedelta(seconds=settings.jobs_tick_s),
        "options": {"queue": queues.JOBS_QUEUE, "expires": max(60.0, 2 * settings.jobs_tick_s)},
    }
}


def _bound(**_: Any) -> None:
    stopping.bounded(stopping.SINGLE_S)


beat_init.connect(_bound, weak=False)  # Celery has its handlers by then


class Scheduler(PersistentScheduler):  # type: ignore[misc]
    """Celery's own, which says that it turns, and ends when it was asked to, wherever it was then."""

    _closed = False

    def close(self) -> None:
        """What Celery's handler of signals does before it raises SystemExit, in the middle of whatever is under way."""
        self._closed = True
        super().close()

    def tick(self, *arguments: Any, **more: Any) -> float:
        """One turn of beat's loop: how long it may sleep, in seconds. Raises SystemExit where the handler's was lost:
        an exception that a library raises while it passes takes its place (redis-py's reader has such a `finally`)."""
        health.turned()
        try:
            pause_s: float = super().tick(*arguments, **more)
        except Exception:
            if not self._closed:
                raise
        if self._closed:
            raise SystemExit
        health.started()
        return pause_s

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **more: Any) -> Any:
        """Send a tick, and count it. Raises what Celery's own does."""
        late_s = -entry.schedule.remaining_estimate(entry.last_run_at).total_seconds()
        try:
            sent = super().apply_async(entry, producer=producer, advance=advance, **more)
        except Exception:
            counters.tick("not_sent", late_s)
            raise
        counters.tick("sent", late_s)
        return sent
