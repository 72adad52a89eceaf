"""What the page *Now* shows, gathered in the background: a view reads what is there, and waits for no count.

With a million open payments counting takes a second: it is done once for all who look, and less often the longer it
takes.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from shared import lanes
from shared.alerts.views import listed
from shared.alerts.words import described, figures_text
from shared.metrics import read
from shared.metrics.read import Counted, Hour, Standing
from shared.runtime import Runtime
from shared.telemetry.logs import get_logger

T = TypeVar("T")
log = get_logger(__name__)

FRESH_S = 4.0
_STATEMENT_S = 5.0
_FIRST_S = 8.0
_REST = 5  # after a look that took long nobody looks for so many times that
HOURS = 24
_HOURS_A_LOOK = 8  # that are over and not counted yet
_SETTLED = timedelta(hours=1, minutes=2)  # from an hour's beginning: nothing more is committed with a time in it
_ALERTS = 50


class Gathered(Generic[T]):
    """The last thing that `look` gave. Asked for, it is looked at again where it is old; who asks waits for the first
    look alone, also where that fails."""

    def __init__(self, look: Callable[[], T], clock: Callable[[], float] = time.monotonic) -> None:
        self._look, self._clock = look, clock
        self._lock, self._first = threading.Lock(), threading.Event()
        self._found: T | None = None
        self._next = float("-inf")
        self._busy = False

    def get(self) -> T | None:
        """None: there is none yet, and none came in time."""
        with self._lock:
            starts = not self._busy and self._clock() >= self._next
            self._busy = self._busy or starts
        if starts:
            threading.Thread(target=self._run, name="gathers", daemon=True).start()
        self._first.wait(_FIRST_S)
        return self._found

    def _run(self) -> None:
        began = self._clock()
        try:
            self._found = self._look()
        except Exception as error:  # the database is away: what was found before is shown with its age
            log.warning("what stands now could not be gathered", reason=type(error).__name__)
        finally:
            self._first.set()  # also where it failed: nobody waits for the next one in a thread that others need
            with self._lock:
                self._busy, ended = False, self._clock()
                self._next = ended + max(FRESH_S, (ended - began) * _REST)


@dataclass(frozen=True, slots=True)
class Seen:
    """As of one moment, or two that are close. lanes: as `lanes.overview` has them, without their counts. hours: of the
    last day, the oldest first; None for one with too many to count."""

    at: datetime
    lanes: Sequence[Mapping[str, Any]]
    standing: Standing
    counted: Counted
    alerts: Sequence[Mapping[str, Any]]
    hours: Sequence[tuple[datetime, Hour | None]]


class Now:
    """Looks. What was counted of an hour that is over is not counted again."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._hours: dict[datetime, Hour | None] = {}

    def look(self) -> Seen:
        """Raises what the database raises."""
        runtime = self._runtime
        rates = {name: runtime.settings.provider(name).rate_per_s for name in runtime.every_lane}
        standing, (rows, alerts) = read.stand(
            runtime.database, rates, _STATEMENT_S, lambda c: (lanes.standing(c), listed(c, everything=False))
        )
        told = [{**row, **described(row["name"]), "figures": figures_text(row["figures"])} for row in alerts[:_ALERTS]]
        counted = read.count(runtime.database, _STATEMENT_S)
        at = read.moment(runtime.database)
        return Seen(at, [row for row in rows if row["provider"] in rates], standing, counted, told, self._day(at))

    def _day(self, at: datetime) -> Sequence[tuple[datetime, Hour | None]]:
        this = at.replace(minute=0, second=0, microsecond=0)
        day = [this - timedelta(hours=ago) for ago in range(HOURS)]
        missing = [hour for hour in day[1:] if hour not in self._hours][:_HOURS_A_LOOK]
        known = dict(self._hours)
        for hour in (this, *missing):
            known[hour] = read.outcomes(self._runtime.database, hour, hour + timedelta(hours=1), _STATEMENT_S)
        self._hours = {hour: found for hour, found in known.items() if hour in day and hour + _SETTLED <= at}
        return [(hour, known.get(hour)) for hour in reversed(day)]
