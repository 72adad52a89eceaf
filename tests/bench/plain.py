"""Celery with the HTTP POST alone: nothing is stored, nothing is sure. The unit of all rates.

As Celery comes: early acknowledgement, prefetch 4, JSON, no results; requests with a session for each thread.
"""

import os
import threading
from typing import Any

import requests
from celery import Celery

QUEUE = "bench.plain"

app = Celery("plain", broker=os.environ.get("BENCH_BROKER_URL"))
app.conf.update(task_ignore_result=True, task_default_queue=QUEUE, broker_connection_retry_on_startup=True)

_URL = os.environ.get("BENCH_PROVIDER_URL", "") + "/api/third_party/settle_payment/"
_local = threading.local()


def session() -> requests.Session:
    """This thread's session: its connection stays open."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.headers["Authorization"] = f"Bearer {os.environ['BENCH_TOKEN']}"
    found: requests.Session = _local.session
    return found


@app.task(name="plain.settle")  # type: ignore[untyped-decorator]
def settle(body: dict[str, Any]) -> None:
    session().post(_URL, json=body, timeout=30).raise_for_status()
