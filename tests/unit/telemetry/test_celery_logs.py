"""Celery hands logging to us, and a task's id is in its events and in no others."""

from collections.abc import Iterator

import pytest
import structlog
from celery import Celery, signals

from shared.settings import Settings
from shared.telemetry import celery_logs


@pytest.fixture
def app() -> Iterator[Celery]:
    celery_logs.connect(Settings())
    yield Celery("test", broker="memory://", set_as_current=False)
    for signal in (signals.setup_logging, signals.task_prerun, signals.task_postrun):
        signal.disconnect(dispatch_uid="settlepipe-logs")


def test_the_task_id_is_bound_while_the_task_runs_and_nothing_stays(app: Celery) -> None:
    seen = []

    @app.task(name="settlepipe.probe")  # type: ignore[untyped-decorator]
    def probe() -> None:
        structlog.contextvars.bind_contextvars(payment_id=7)
        seen.append(structlog.contextvars.get_contextvars())

    probe.apply(task_id="t1")
    assert seen == [{"task_id": "t1", "task": "settlepipe.probe", "payment_id": 7}]
    assert structlog.contextvars.get_contextvars() == {}


def test_connecting_twice_connects_once(app: Celery) -> None:
    before = len(signals.task_prerun.receivers)
    celery_logs.connect(Settings())
    assert len(signals.task_prerun.receivers) == before


def test_celery_leaves_logging_to_us(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[Settings] = []
    monkeypatch.setattr(celery_logs, "configure", configured.append)
    app.log.setup(loglevel="INFO")
    assert [settings.log_level for settings in configured] == ["INFO"]
