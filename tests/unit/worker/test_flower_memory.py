"""Flower's process frees what Flower has forgotten, however seldom Python would look for it."""

import gc
import threading
import weakref

import pytest

from tests.support.stack import wait_until
from worker import flower_process


class Ring:
    """Refers to itself, as a task of Celery's does by its set of children."""

    def __init__(self) -> None:
        self.itself = self


def test_what_refers_to_itself_is_freed_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flower_process, "_COLLECT_S", 0.01)
    gc.disable()
    try:
        forgotten = weakref.ref(Ring())
        assert forgotten() is not None
        threading.Thread(target=flower_process._collect, daemon=True).start()
        wait_until(lambda: forgotten() is None, "it is freed")
    finally:
        gc.enable()
        monkeypatch.setattr(flower_process, "_COLLECT_S", 3600.0)  # the thread stays, and rests
