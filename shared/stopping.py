"""stopping: a process that is asked to stop is gone within a bound, whatever becomes of the servers that it talks to.

It ends in its own way where it can: what it read is committed, what is on the wire is recorded. Where a server is
frozen it is ended: to the others that is the death of a process, which may happen on any line.
"""

import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from types import FrameType

from shared.telemetry.logs import get_logger

log = get_logger(__name__)

SINGLE_S = 8.0  # intake, dispatcher, relay, beat, the receiver of callbacks, the jobs' worker
LANE_S = 4.0  # a lane's worker: the HTTP deadline and this
KILL_S = 2.0  # who starts the processes kills one that is still there so long after its bound
_TELL_S = 1.0

STOPS = (signal.SIGTERM, signal.SIGINT)


def bounded(
    within_s: float,
    *,
    at_once: Callable[[], object] = lambda: None,
    then: Callable[[float], bool] | None = None,
    signals: Sequence[signal.Signals] = STOPS,
) -> Callable[[], None]:
    """From here on each of these signals still does what it did, and ends this process `within_s` after the first of
    them at the latest. Call it in the main thread, when the signals have their handlers. What it returns begins the
    stop where no signal came.

    at_once: called first, in the signal's handler: it may set a flag, and takes no lock. then: called with within_s in
    a thread of its own; the process is ended when it returns, with status 0 where it returns true.
    """
    asked: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put() may be called in a signal's handler

    def begin() -> None:
        at_once()
        asked.put(None)

    def watch() -> None:
        asked.get()
        done = False
        try:
            done = (then or _wait)(within_s)
        finally:
            _end(done)

    threading.Thread(target=watch, name="stopping", daemon=True).start()
    for number in signals:
        signal.signal(number, _also(begin, signal.getsignal(number)))
    return begin


def waits_at() -> str:
    """Where the main thread stands: the last three calls."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    calls = traceback.extract_stack(frame)[-3:] if frame else []
    return ", ".join(f"{os.path.basename(call.filename)}:{call.lineno} {call.name}" for call in calls)


def _wait(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _also(begin: Callable[[], None], before: object) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        begin()
        if callable(before):
            before(number, frame)

    return handle


def _end(done: bool) -> None:
    if not done:  # whoever reads the log may be frozen, too
        words, told = "this process did not end in time by itself, and is ended", {"waits_at": waits_at()}
        teller = threading.Thread(target=log.warning, args=(words,), kwargs=told, daemon=True)
        teller.start()
        teller.join(_TELL_S)
    os._exit(0 if done else 1)
