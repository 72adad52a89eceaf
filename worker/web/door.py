"""What all requests of this process share. It holds nothing that would be missed."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from typing import TypeVar

import redis
from starlette.requests import ClientDisconnect, Request

from shared.database.engine import Connection
from shared.events.feed import Horizon
from shared.messaging import broker
from shared.runtime import Runtime
from shared.settings.web import WebSettings
from worker.web.callers import Callers
from worker.web.gathering import Gathering
from worker.web.limits import Rate, Streams, Work
from worker.web.problems import Fault, Problem
from worker.web.taking import Given, Taken, take

T = TypeVar("T")


class Door:
    """One process's. runtime: None until it is set up; until then each request is answered with that. key_prefix: of
    the broker's keys, which a document names."""

    def __init__(self, settings: WebSettings, key_prefix: str = "") -> None:
        self.settings, self.key_prefix = settings, key_prefix
        self.runtime: Runtime | None = None
        self.bell = Bell()
        self.work = Work(settings.threads, settings.requests, settings.answer_s)
        threads = settings.lookup_threads
        self.looks_up = Work(threads, 2 * threads, settings.lookup_s, Fault.PROVIDER_AWAY, "looks")
        self.lookup_rate = Rate(settings.lookups_per_s, 10)
        self.takes = Gathering(self.work, self._take, settings.answer_s)
        self.callers = Callers(lambda: self.ready.database, self.work)
        self.rate = Rate(settings.rate_per_s, settings.rate_per_s)
        self.streams = Streams(settings.streams, settings.streams_of_source)
        self.horizon = Horizon()
        self.looks = asyncio.Semaphore(settings.threads)  # of streams: however many are open, requests have their turn
        self.stopping = False
        self._under_way = self._held_bytes = self._seen_horizon = 0
        self._looked_at = float("-inf")

    @property
    def ready(self) -> Runtime:
        """Raises Problem until it is set up."""
        if self.runtime is None:
            raise Problem(Fault.STARTING)
        return self.runtime

    def _take(self, given: Sequence[Given]) -> Sequence[Taken | Problem]:
        return take(self.ready, given)

    def spend(self, source: str, count: int) -> None:
        """Count so many intents and reads of this source. Raises Problem beyond its rate."""
        wait_s = self.rate.take(source, count)
        if wait_s is not None:
            detail = f"at most {self.settings.rate_per_s:g} intents and reads a second"
            raise Problem(Fault.TOO_FAST, detail, retry_after_s=wait_s)

    async def asks(self, ask: Callable[[Connection], T]) -> T:
        """What `ask` gives, on a connection of its own. Raises what `Work` does."""
        database = self.ready.database

        def do() -> T:
            with database.connection() as connection:
                return ask(connection)

        return await self.work(do)

    async def horizon_lately(self, most_s: float) -> int:
        """The horizon as it was seen within so many seconds: however many ask, PostgreSQL is asked once."""
        now = time.monotonic()
        if now - self._looked_at >= most_s:
            self._looked_at = now
            self._seen_horizon = await self.asks(self.horizon.look)
        return self._seen_horizon

    @contextlib.asynccontextmanager
    async def body(
        self, request: Request, kind: str = "application/json", most_bytes: int | None = None
    ) -> AsyncIterator[bytes]:
        """The request's whole body, held until the block ends. Raises Problem for one that is too large, late, or not
        of this kind by its own account, and where too many are held. most_bytes: None: `body_bytes`."""
        said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if said != kind or request.headers.get("content-encoding", "identity") != "identity":
            raise Problem(Fault.NOT_JSON_BODY, f"send Content-Type: {kind}, and no Content-Encoding")
        parts: list[bytes] = []
        try:
            await self._read(request, parts, most_bytes or self.settings.body_bytes)
            yield b"".join(parts)
        finally:
            self._held_bytes -= sum(map(len, parts))

    async def _read(self, request: Request, parts: list[bytes], most: int) -> None:
        said = request.headers.get("content-length", "")
        too_large = Problem(Fault.BODY_TOO_LARGE, f"a body has at most {most} bytes")
        if said.isdigit() and int(said[:20]) > most:
            raise too_large
        size = 0
        try:
            async with asyncio.timeout(self.settings.body_s):
                async for part in request.stream():
                    size += len(part)
                    if size > most:
                        raise too_large
                    if self._held_bytes + len(part) > self.settings.bodies_bytes:
                        raise Problem(Fault.BUSY, "too many large bodies are being read")
                    parts.append(part)
                    self._held_bytes += len(part)
        except TimeoutError:
            raise Problem(Fault.BODY_LATE, f"a body has to be there in {self.settings.body_s:g} s") from None
        except ClientDisconnect:  # nobody reads the answer
            raise Problem(Fault.BODY_LATE) from None

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """One more request until the block ends. Raises Problem where that are too many."""
        if self._under_way >= self.settings.requests:
            raise Problem(Fault.BUSY)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1


class Bell:
    """Rings for a dispatcher in a thread of its own: a broker that says nothing keeps no answer waiting, and what rings
    meanwhile is one ring."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lanes = set[str]()

    def ring(self, lanes: Collection[str]) -> None:
        """There is work in these lanes. Returns at once."""
        with self._changed:
            self._lanes.update(lanes)
            self._changed.notify()

    def start(self, client: "redis.Redis") -> None:
        """From now on it is heard."""

        def run() -> None:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._lanes)
                    lanes, self._lanes = self._lanes, set()
                broker.ring(client, lanes)

        threading.Thread(target=run, name="bell", daemon=True).start()
