"""Celery's logs through ours, and the task's id in every event of a task.

`worker/app.py` calls `connect(settings)` once, before the worker starts. Celery then leaves logging alone: its
`setup_logging` signal has a receiver.
"""

from typing import Any

from celery import signals
from structlog.contextvars import clear_contextvars

from shared.settings import Settings
from shared.telemetry.logs import bind, configure


def connect(settings: Settings) -> None:
    """Connect the signals. May be called again: each receiver is connected once."""

    def set_up_logging(**_: Any) -> None:
        configure(settings)

    # Not weak: nobody else holds these functions.
    signals.setup_logging.connect(set_up_logging, weak=False, dispatch_uid="settlepipe-logs")
    signals.task_prerun.connect(_bind_task, weak=False, dispatch_uid="settlepipe-logs")
    signals.task_postrun.connect(_unbind_task, weak=False, dispatch_uid="settlepipe-logs")


def _bind_task(task_id: str, task: Any, **_: Any) -> None:
    bind(task_id=task_id, task=task.name)


def _unbind_task(**_: Any) -> None:
    # The thread serves other payments next: nothing of this one may stay.
    clear_contextvars()
