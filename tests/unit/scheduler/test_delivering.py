"""The relay's threads of webhooks: what the system refuses them ends none of them for good."""

import threading
from typing import Any

import pytest

from scheduler.delivering import Deliveries
from shared.domain.webhooks import Attempt, Verdict
from shared.webhooks.sending import Batch
from tests.support.patience import PATIENCE


class Due:
    """Has one webhook that is due, always. turns: of those that began."""

    def __init__(self) -> None:
        self.turns = threading.Semaphore(0)

    def due(self, _but: object) -> list[int]:
        return [1]

    def withdrawn(self, _numbers: object) -> set[int]:
        return set()

    def turn(self, _number: int, _stop: object, _withdrawn: object) -> int:
        self.turns.release()
        return 0


def refuse(monkeypatch: pytest.MonkeyPatch, prefix: str, *, after: int = 0, times: int = 1) -> None:
    """The system gives no thread of this name, after so many and so often."""
    real, asked = threading.Thread.start, iter(range(10_000))

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith(prefix) and after <= next(asked) < after + times:
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)


def test_a_thread_that_the_system_refuses_is_begun_at_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "webhook ")
    due, stop = Due(), threading.Event()
    deliveries = Deliveries(due, 1, stop)  # type: ignore[arg-type]
    try:
        assert due.turns.acquire(timeout=30 * PATIENCE)
    finally:
        stop.set()
        deliveries.end()


class Http:
    def end(self) -> None:
        pass


class Taking:
    """Takes everything."""

    http = Http()

    def post(self, *_: Any) -> Attempt:
        return Attempt(Verdict.DELIVERED, "it answered 204")


def test_with_fewer_threads_than_asked_for_all_is_sent_before_the_turn_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "delivers", after=1, times=9)
    monkeypatch.setattr("shared.webhooks.sending.told", lambda _: b"{}")
    groups = [[{"id": n, "event_id": str(n)}] for n in range(8)]
    outcome = Batch(Taking(), [], 0, lambda: False).sent(groups, 4, {})  # type: ignore[arg-type]
    assert sorted(outcome.delivered) == list(range(8))
