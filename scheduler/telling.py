"""The dispatcher's threads that send what stands still, one for each way that is set. A receiver that hangs, or is
slow, holds up its own way alone: each has a session of its own."""

import threading
import time
from functools import partial

from scheduler.apart import Apart
from shared.alerts.tell import tell
from shared.alerts.ways import Way, ways
from shared.database import chosen
from shared.database.engine import Database
from shared.runtime import Runtime

_EVERY_S = 5.0


def begin(runtime: Runtime, stop: threading.Event) -> None:
    """Send from now on, until `stop` is set. A thread that is waiting for an answer then is left behind: what it was
    sending is sent again when its lease ends."""
    for way in ways(runtime.settings.alerts).values():
        database = chosen.database(runtime.settings, 1, f"settlepipe {way.name}")
        given = (runtime, database, way, stop)
        threading.Thread(target=_keep_telling, args=given, name=f"tells by {way.name}", daemon=True).start()


def _keep_telling(runtime: Runtime, database: Database, way: Way, stop: threading.Event) -> None:
    apart = Apart(turned=lambda: None)  # this is not the main loop
    step = partial(_once, runtime, database, way)
    while True:
        began = time.monotonic()
        apart.run(f"send alerts by {way.name}", step)
        if stop.wait(max(0.0, _EVERY_S - (time.monotonic() - began))):
            return


def _once(runtime: Runtime, database: Database, way: Way) -> None:
    tell(database, runtime.seen, way, runtime.settings.alerts)
