"""Who asks: the source that a request's key is of.

A key is looked up at most every KEPT_S seconds in each process, so one that is revoked opens nothing after that.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.database.engine import Database
from shared.people import keys
from shared.people.prove import digest
from worker.web import counts
from worker.web.limits import Rate, Work
from worker.web.problems import Fault, Problem

KEPT_S = 2.0
_KEPT = 10_000  # keys that are remembered
_LONGEST = 200  # characters of a key
_GUESSES_PER_S, _GUESSES = 50.0, 200.0  # keys that are looked up and were never seen to open anything


@dataclass(frozen=True, slots=True)
class Caller:
    """A source, by the key with this number."""

    source: str
    number: int

    @property
    def name(self) -> str:
        """Who it is, in an audit record."""
        return f"{self.source} (key {self.number})"


class Callers:
    """Those whose keys are known. Of the event loop alone."""

    def __init__(
        self, database: Callable[[], Database], work: Work, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._work, self._clock = database, work, clock
        self._known: dict[bytes, tuple[Caller, float]] = {}
        self._asked: dict[bytes, asyncio.Future[tuple[int, str] | None]] = {}
        self._guesses = Rate(_GUESSES_PER_S, _GUESSES, clock)

    async def of(self, authorization: str | None) -> Caller:
        """The caller that this header (`Bearer KEY`) names. Raises Problem: without a key that opens something; where
        PostgreSQL can't be asked."""
        scheme, _, key = (authorization or "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not 0 < len(key) <= _LONGEST:
            counts.not_let_in("key")
            raise Problem(Fault.NO_KEY, "send Authorization: Bearer and a key, which settlepipe keys create makes")
        kept = digest(key)
        known, until = self._known.get(kept, (None, 0.0))
        if known is not None and self._clock() < until:
            return known
        found = await self._looked_up(kept, key, guessed=known is None)
        if found is None:
            self._known.pop(kept, None)
            counts.not_let_in("key")
            raise Problem(Fault.NO_KEY, "this key opens nothing; it was revoked, or never was one")
        caller = Caller(found[1], found[0])
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[kept] = caller, self._clock() + KEPT_S
        return caller

    async def _looked_up(self, kept: bytes, key: str, *, guessed: bool) -> tuple[int, str] | None:
        """What the key opens; all who ask for it at the same time share one look."""
        asked = self._asked.get(kept)
        if asked is None:
            wait_s = self._guesses.take("", 1) if guessed else None
            if wait_s is not None:  # who tries keys keeps nobody else from PostgreSQL
                raise Problem(Fault.TOO_FAST, retry_after_s=wait_s)
            asked = asyncio.ensure_future(self._work(lambda: self._opened(key)))
            self._asked[kept] = asked
            asked.add_done_callback(lambda _: self._asked.pop(kept))
        return await asyncio.shield(asked)

    def _opened(self, key: str) -> tuple[int, str] | None:
        with self._database().connection() as connection:
            return keys.opened(connection, key)
