"""How a Celery worker's stop begins for the product: with its signal, or with Celery's own step where none came."""

import atexit
import os
import sys
from collections.abc import Callable
from typing import Any

from celery import bootsteps


def stop_step(bounded: Callable[[Any], Callable[[], None]], *, leaves: Callable[[], object] | None = None) -> type:
    """A step of Celery's worker. bounded: is given the worker, takes the signals once Celery has its handlers, and
    gives what begins the stop; that is called when Celery closes, too (told to by a remote command, or after an error).
    leaves: of a process without children, which is gone as soon as Celery has ended and this has returned."""

    class Stop(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.components:Pool",)  # before the consumer, which is last and does not return
        begin: Callable[[], None] | None = None

        def start(self, worker: Any) -> None:
            self.begin = bounded(worker)
            if leaves is not None:
                atexit.register(_leave, worker, leaves)

        def close(self, _worker: Any) -> None:
            if self.begin is not None:
                self.begin()

        def stop(self, _worker: Any) -> None:
            """Nothing of Celery's is held."""

        terminate = stop

    return Stop


def _leave(worker: Any, done: Callable[[], object]) -> None:
    """Celery has ended. The interpreter's taking itself apart is left out: it needs seconds on a loaded machine, and no
    bound holds in it any more."""
    done()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(worker.exitcode or 0)
