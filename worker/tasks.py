"""The Celery tasks: get the flow, call it with the names, return. A message carries names and nothing else."""

from typing import Any

from shared.directory.refresh import refresh_for
from shared.follow_ups import ask
from shared.messaging import tasks
from shared.payments import check
from worker.app import app, each, send_each


@app.task(name=tasks.SEND, bind=True)  # type: ignore[untyped-decorator]
def send_payments(self: Any, names: list[list[Any] | int]) -> None:
    """Send these payments."""
    send_each(_queue(self), names)


@app.task(name=tasks.CHECK, bind=True)  # type: ignore[untyped-decorator]
def check_payments(self: Any, names: list[list[Any] | int]) -> None:
    """Ask the provider whether these unknown payments were applied."""
    each(check.check, _queue(self), names)


@app.task(name=tasks.FOLLOW_UP, bind=True)  # type: ignore[untyped-decorator]
def send_follow_ups(self: Any, ids: list[int]) -> None:
    """Ask for these follow-ups (receipts, text messages)."""
    each(ask.follow_up, _queue(self), ids, follow_ups=True)


@app.task(name=tasks.REFRESH, bind=True)  # type: ignore[untyped-decorator]
def refresh_lists(self: Any, ids: list[int]) -> None:
    """Refresh the lists that these payments wait for."""
    each(refresh_for, _queue(self), ids)


def _queue(task: Any) -> str:
    return str((task.request.delivery_info or {}).get("routing_key", ""))
