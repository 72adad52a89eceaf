"""What one, and all, may take of this process: threads with PostgreSQL, a rate for each source, open streams."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from shared.database.engine import AWAY
from shared.database.store import HeldError
from shared.telemetry.logs import get_logger
from worker.web.problems import Fault, Problem

T = TypeVar("T")
log = get_logger(__name__)

_SOURCES = 10_000  # whose rate is remembered; only what has a key is counted


class Work:
    """Threads in which PostgreSQL is asked. A call has an answer in `answer_s`, also while PostgreSQL says nothing: its
    thread goes on, and counts until it is done, so that there are never more than `threads`."""

    def __init__(
        self, threads: int, waiting: int, answer_s: float, late: Fault = Fault.DATABASE_AWAY, name: str = "asks"
    ) -> None:
        """late: what is answered in place of an answer that takes too long."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most, self._busy, self._answer_s, self._late = threads + waiting, 0, answer_s, late

    async def __call__(self, do: Callable[[], T]) -> T:
        """What `do` gives. Raises Problem where PostgreSQL is away, late, or the store held; what else `do` raises."""
        if self._busy >= self._most:
            raise Problem(Fault.BUSY)
        loop = asyncio.get_running_loop()
        self._busy += 1
        future = self._pool.submit(do)
        future.add_done_callback(lambda _: self._done(loop))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._answer_s)
        except HeldError as error:
            raise Problem(Fault.STORE_HELD, str(error), retry_after_s=30) from None
        except TimeoutError:
            log.warning(
                "it takes too long; the request is answered without it", limit_s=self._answer_s, code=self._late
            )
            raise Problem(self._late) from None
        except AWAY as error:
            log.warning("PostgreSQL does not answer", reason=type(error).__name__)
            raise Problem(Fault.DATABASE_AWAY) from None

    def _done(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._less)

    def _less(self) -> None:
        self._busy -= 1


class Rate:
    """A token bucket for each name: `per_s` a second, and at most `burst` at once. Of the event loop alone."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, name: str, count: int) -> int | None:
        """Take so many. None: taken; else nothing was, and in so many seconds they are there. What is more than a
        burst is taken when the bucket is full."""
        now = self._clock()
        left, at = self._left.get(name, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        wanted = min(count, self._burst)
        if left < wanted:
            return max(1, math.ceil((wanted - left) / self._per_s))
        if name not in self._left and len(self._left) >= _SOURCES:
            self._left.clear()
        self._left[name] = (left - count, now)
        return None


class Streams:
    """Streams of events that are open. Of the event loop alone."""

    def __init__(self, most: int, most_of_source: int) -> None:
        self._most, self._most_of_source = most, most_of_source
        self._open: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """How many there are."""
        return self._open.total()

    @contextmanager
    def one(self, source: str) -> Iterator[None]:
        """One more until the block ends. Raises Problem."""
        if self.open >= self._most or self._open[source] >= self._most_of_source:
            raise Problem(Fault.TOO_MANY_STREAMS, retry_after_s=5)
        self._open[source] += 1
        try:
            yield
        finally:
            self._open[source] -= 1
            if not self._open[source]:
                del self._open[source]
