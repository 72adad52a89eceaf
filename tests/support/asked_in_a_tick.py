"""A beat that is asked to stop inside its first tick, in a library that loses what the signal's handler raises:
`celery -A tests.support.asked_in_a_tick beat`."""

import os
import signal
from typing import Any

from scheduler.beat import Scheduler, app


class Asked(Scheduler):
    """redis-py's reader, whose `finally` seeks in a buffer that the handler's SystemExit had closed."""

    def apply_async(self, *_: Any, **__: Any) -> Any:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise ValueError("I/O operation on closed file")


app.conf.beat_scheduler = "tests.support.asked_in_a_tick:Asked"
