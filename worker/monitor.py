"""The Celery app that Flower shows: the product's, on kombu's own Redis transport.

Flower tells the broker by the scheme of the connection's URL, and that is the transport's name: with the workers' own
(shared.messaging.transport) its page `Broker` is a 404.
"""

from shared import process
from shared.messaging.tasks import celery_app
from shared.settings import load_settings
from shared.telemetry import celery_logs

settings = load_settings()
celery_logs.connect(settings)
app = celery_app(process.broker_url(settings), "settlepipe-flower")
