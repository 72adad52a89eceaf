"""gather: what the metrics tell, from PostgreSQL and the broker, whatever state they are in.

Nothing here hangs: each server is asked in a thread of its own, and waited for so long and no longer. One that does not
answer keeps that thread, and is not asked again before the thread has its answer: a server that is in trouble never has
more than one session of ours of each kind.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

import redis

from scheduler.late import late
from scheduler.schedule import jobs_of
from shared.database import chosen, standby
from shared.metrics import families, read
from shared.metrics.families import Sample
from shared.metrics.read import Counted
from shared.metrics.streams import lags
from shared.providers.registry import REGISTRATIONS
from shared.settings import Settings
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

ANSWER_S = 4.0  # how long a server is waited for
_STATEMENT_S, _COUNT_S = 3.0, 30.0
_EVERY_S, _SHARE = 5.0, 20  # counting takes a twentieth of one session's time at most, however much there is
_OLD_S = 300.0  # what was counted longer ago is told no more

T = TypeVar("T")


class Asked(Generic[T]):
    """A question that may hang: one at a time, in a thread that ends with the process."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._answer: Future[T] | None = None

    def begin(self) -> "Future[T]":
        """Ask; where the last question has no answer yet, that one's."""
        if self._answer is None or self._answer.done():
            self._answer = Future()
            threading.Thread(target=self._run, args=(self._answer,), name="asks", daemon=True).start()
        return self._answer

    def _run(self, answer: "Future[T]") -> None:
        try:
            answer.set_result(self._ask())
        except BaseException as error:
            answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted, the moment that it is of (monotonic), and how long it took."""

    what: Counted
    at_s: float
    took_s: float


class Gathering:
    """The servers' answers to a scrape. lanes: the providers that are on and take payments."""

    def __init__(self, settings: Settings, client: "redis.Redis") -> None:
        self._settings, self._client = settings, client
        self._database = chosen.database(settings, 1, "settlepipe metrics")  # one for each question
        self._counts = chosen.reading(settings, 1, "settlepipe metrics")
        on = [name for name in REGISTRATIONS if settings.provider(name).base_url]
        self.lanes = [name for name in on if REGISTRATIONS[name].operations]
        self._table = jobs_of(on)
        self._standing, self._streams = Asked(self._read_standing), Asked(self._read_streams)
        self._count: Count | None = None

    def samples(self) -> list[Sample]:
        """Everything that can be told now, within ANSWER_S and little more."""
        end = time.monotonic() + ANSWER_S
        answers = {"up": self._standing.begin(), "broker_up": self._streams.begin()}
        found: list[Sample] = []
        for name, answer in answers.items():
            try:
                found += answer.result(max(0.0, end - time.monotonic()))
            except Exception as error:
                log.warning("a server does not answer a scrape", server=name, reason=type(error).__name__)
                found.append((name, (), 0))
            else:
                found.append((name, (), 1))
        return found + list(self._counted())

    def count(self) -> float:
        """Count once; seconds until it may be done again. Raises what the database raises."""
        began = time.monotonic()
        with self._counts.connection() as connection:
            late_s = standby.late_s(connection) or 0.0
        what = read.count(self._counts, _COUNT_S)
        self._count = Count(what, began - late_s, time.monotonic() - began)
        return max(_EVERY_S, _SHARE * self._count.took_s)

    def keep_counting(self, stop: threading.Event) -> None:
        """Count at a pace, until `stop` is set."""
        wait_s = 0.0
        while not stop.wait(wait_s):
            try:
                wait_s = self.count()
            except Exception as error:  # PostgreSQL is away, or its schema is another's: a scrape tells how old all is
                log.warning("the payments could not be counted", reason=type(error).__name__)
                wait_s = _EVERY_S

    def _counted(self) -> Iterator[Sample]:
        count = self._count
        age_s = time.monotonic() - count.at_s if count else _OLD_S
        if count is None or age_s >= _OLD_S:
            return
        yield ("counted_age_seconds", (), age_s)
        yield ("counted_duration_seconds", (), count.took_s)
        yield from families.of_counted(count.what, self.lanes)

    def _read_standing(self) -> Sequence[Sample]:
        rates = {lane: self._settings.provider(lane).rate_per_s for lane in self.lanes}
        found, jobs = read.stand(self._database, rates, _STATEMENT_S, lambda connection: late(connection, self._table))
        return list(families.of_standing(found)) + [
            ("scheduled_job_late_seconds", (name,), seconds) for name, seconds in jobs.items()
        ]

    def _read_streams(self) -> Sequence[Sample]:
        return list(families.of_streams(lags(self._client, sorted(self._settings.intake.sources))))
