"""What a process knows of itself: does its loop turn, is it set up, when did its servers answer last?

Only what was seen is kept, with its moment: who asks gets an answer at once, however long a server says nothing.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.database import version
from shared.database.version import Schema
from shared.telemetry.ready import announce_ready

STALE_S = 6.0  # a server that said nothing for so long counts as away; it is asked every two seconds
DATABASE, BROKER, CELERY, PAGES = "database", "broker", "celery", "pages"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a server said last, or why it said nothing (`reason`), at this moment of the clock."""

    at_s: float
    reason: str | None = None


class Health:
    """One process's. Thread-safe. It announces that the process is up (READY=1) when it is for the first time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, announce: Callable[[], None] | None = None) -> None:
        self._clock, self._announce, self._lock = clock, announce or announce_ready, threading.Lock()
        self.process = ""
        self._stuck_after_s = float("inf")
        self._turned_at = clock()
        self._started = self.announced = False
        self._seen: dict[str, Seen | None] = {}
        self._schema: Schema | None = None
        self._turn: str | None = None

    def expect(self, process: str, stuck_after_s: float, servers: list[str]) -> None:
        """From now on this process is ready when all of these answer, and alive when its loop turns in that time."""
        self.process, self._stuck_after_s, self._turned_at = process, stuck_after_s, self._clock()
        self._seen = dict.fromkeys(servers)

    def turned(self) -> None:
        """The process's main loop went on."""
        self._turned_at = self._clock()

    def started(self) -> None:
        """All that it needs for its work is made."""
        self._started = True
        self._tell()

    def has_turn(self, held: bool) -> None:
        """Of a process of which one is active at a time: is it this one?"""
        self._turn = "held" if held else "standing by"

    def saw(self, server: str, schema: Schema | None = None) -> None:
        """It answered; the database with its schema."""
        if server == DATABASE:
            self._schema = schema
        self._seen[server] = Seen(self._clock())
        self._tell()

    def missed(self, server: str, reason: str) -> None:
        """It did not answer, or with an error: the name of it, no value."""
        self._seen[server] = Seen(self._clock(), reason)

    def live(self) -> tuple[bool, Mapping[str, object]]:
        """Does the main loop turn? With what is told of it."""
        age_s = self._clock() - self._turned_at
        live = age_s < self._stuck_after_s
        told = {"process": self.process, "live": live, "turned_s": round(age_s, 1), "limit_s": self._stuck_after_s}
        return live, told

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """Can it do its work now? With what is told of it."""
        now = self._clock()
        servers = {name: _told(seen, now) for name, seen in self._seen.items()}
        told: dict[str, object] = {"process": self.process, "started": self._started, **servers}
        ready = self._started and all(one["ok"] for one in servers.values())
        if DATABASE in self._seen:
            right = version.wrong(self._schema) is None
            found = self._schema.version if self._schema else None
            told["schema"] = {"ok": right, "version": found, "code": version.known()[-1]}
            ready = ready and right
        if self._turn is not None:
            told["turn"] = self._turn
        return ready, {**told, "ready": ready}

    def _tell(self) -> None:
        with self._lock:
            if not self.announced and self.ready()[0]:
                self.announced = True
                self._announce()


def _told(seen: Seen | None, now: float) -> Mapping[str, object]:
    if seen is None:
        return {"ok": False, "reason": "it has not answered yet"}
    age_s = now - seen.at_s
    if seen.reason is not None:
        return {"ok": False, "age_s": round(age_s, 1), "reason": seen.reason}
    if age_s > STALE_S:
        return {"ok": False, "age_s": round(age_s, 1), "reason": "it says nothing"}
    return {"ok": True, "age_s": round(age_s, 1)}
