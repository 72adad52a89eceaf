"""The Celery app that Flower shows."""

from shared import process
from shared.settings import load_settings
from shared.telemetry import celery_logs

settings = load_settings()
celery_logs.connect(settings)
app = process.celery(settings, "settlepipe-flower")
