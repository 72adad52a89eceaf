"""Celery beat. It only ticks: what is due is decided by PostgreSQL, so any number of beats may run.

`scheduler.schedule` is the table of jobs. A tick that nobody took while it was fresh is dropped: the next one does
the same.
"""

from datetime import timedelta
from typing import Any

from celery.signals import beat_init

from shared import process, stopping
from shared.messaging import tasks
from shared.messaging.tasks import celery_app
from shared.settings import load_settings
from shared.telemetry import celery_logs
from shared.telemetry.ready import announce_when_celery_is_up

settings = load_settings()
celery_logs.connect(settings)
announce_when_celery_is_up()
app = celery_app(process.broker_url(settings), "settlepipe-beat")


def _bound(**_: Any) -> None:
    stopping.bounded(stopping.SINGLE_S)


beat_init.connect(_bound, weak=False)  # Celery has its handlers by then
app.conf.beat_schedule = {
    "tick": {
        "task": tasks.TICK,
        "schedule": timedelta(seconds=settings.jobs_tick_s),
        "options": {"queue": tasks.JOBS_QUEUE, "expires": max(60.0, 2 * settings.jobs_tick_s)},
    }
}
