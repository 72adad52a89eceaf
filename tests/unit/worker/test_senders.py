"""A message's ids over the sender threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from worker import senders
from worker.senders import spread


def test_every_id_is_done_once_and_failures_come_back() -> None:
    done: list[int] = []

    def verb(payment_id: int) -> None:
        done.append(payment_id)
        if payment_id % 2:
            raise ValueError(payment_id)

    with ThreadPoolExecutor(8) as threads:
        failures = spread(threads, verb, range(25))
    assert sorted(done) == list(range(25))
    assert sorted(str(failure) for failure in failures) == sorted(str(i) for i in range(1, 25, 2))


def test_a_provider_that_takes_its_time_gets_as_many_threads_as_there_are_ids() -> None:
    together = threading.Barrier(16)  # each waits until all sixteen are under way

    def meet(_: int) -> None:
        together.wait(120)

    with ThreadPoolExecutor(16) as threads:
        assert spread(threads, meet, range(16)) == []


def test_no_ids_are_nothing_to_do() -> None:
    with ThreadPoolExecutor(1) as threads:
        assert spread(threads, print, []) == []


def test_while_every_id_hangs_nothing_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, hanging = list[float | None](), threading.Event()

    def hang(_: int) -> None:
        hanging.wait(120)

    class Counted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            looks.append(timeout)
            return super().wait(0)  # as if the time had passed

    monkeypatch.setattr(senders, "threading", SimpleNamespace(Event=Counted))
    release = threading.Timer(0.5, hanging.set)
    release.start()
    with ThreadPoolExecutor(4) as threads:
        assert spread(threads, hang, range(16)) == []
    assert len(looks) < 10
