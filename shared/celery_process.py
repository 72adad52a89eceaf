"""What `shared.process` does for a process, for Celery's: probes, patience at the start, and the word that it is up.

Celery's main thread is its loop. It turns once a second while it consumes, and at each try to connect when the broker
is away: that is no reason to end the process.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery, bootsteps, signals
from celery.app.amqp import AMQP
from kombu.connection import Connection

from shared import health, process
from shared.settings import Settings
from shared.telemetry.logs import configure

_TURN_S = 1.0


class _Connection(Connection):
    def _establish_connection(self) -> Any:
        if threading.current_thread() is threading.main_thread():
            health.turned()
        return super()._establish_connection()  # type: ignore[no-untyped-call]


class _Amqp(AMQP):  # type: ignore[misc]
    Connection = _Connection


class _Turns(bootsteps.StartStopStep):  # type: ignore[misc]
    """Begins anew with each connection, as Celery's timers do."""

    requires = ("celery.worker.consumer:Tasks",)

    def start(self, parent: Any) -> None:
        health.turned()
        if parent.hub is not None:
            parent.hub.call_repeatedly(_TURN_S, health.turned)


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Who waits for a server can be told to stop, also as a container's first process, for which Linux ignores a signal
    that has no handler. Afterwards the signals are Celery's."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in process.SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def prepare(app: Celery, name: str, settings: Settings, begin: Callable[[], object]) -> None:
    """Have this app's process answer probes and call `begin` until it works, before it consumes or ticks.

    begin: like what `process.patiently` calls; in the main process of a worker that forks it must leave nothing behind.
    """
    app.amqp_cls = _Amqp
    app.steps["consumer"].add(_Turns)

    def before(**_: Any) -> None:
        configure(settings)  # a worker does it later
        process.traced(name)
        process.probed(name, settings)
        process.not_reloaded()  # until who can reload takes it
        with _told_to_stop() as stop:
            process.patiently(begin, stop)
        if stop.is_set():  # it came while `begin` worked, and Celery has not heard it
            raise SystemExit(0)

    def consumes(**_: Any) -> None:
        health.started()

    # Not weak: nobody else holds these functions.
    signals.worker_init.connect(before, weak=False)
    signals.beat_init.connect(before, weak=False)
    signals.worker_ready.connect(consumes, weak=False)
