"""Celery beat with the schedule of periodic jobs: a table of job, when and why. It is still empty."""

from shared.messaging.tasks import celery_app
from shared.settings import load_settings
from shared.telemetry import celery_logs, process
from shared.telemetry.ready import announce_when_celery_is_up

settings = load_settings()
celery_logs.connect(settings)
announce_when_celery_is_up()
app = celery_app(process.broker_url(settings), "settlepipe-beat")
app.conf.beat_schedule = {}
