"""What a process needs to run the flow: its settings, its database, the providers that are on. `shared.start` makes it.

It names protocols, no stores: every room stands on it.
"""

import contextlib
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg
from psycopg.rows import dict_row
from pydantic import BaseModel

from shared.database import locks, session, store
from shared.database.engine import AWAY, Database
from shared.database.store import Seen
from shared.providers.base import Connected, Provider, Registration
from shared.providers.ours import Books, Directory
from shared.settings import Settings, SettingsError
from shared.telemetry.logs import get_logger
from shared.unclaim import LostClaims

log = get_logger(__name__)

STALE_S = 5.0  # a claim older than this (a frozen process or database) is not used

Written = TypeVar("Written")

CHECK_READS = 3  # of a provider's books in one check, at most


def boot_time_s() -> float:
    """Seconds that also pass while the machine sleeps or the process is frozen."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class SignOfLife:
    """A session advisory lock in PostgreSQL, held while this process lives: whoever finds it gone knows that no
    thread of ours is still between a claim and its outcome. Taken again under the same key after a broken
    connection; a claim that needs the lock is refused meanwhile (the claim's own statement looks).

    PostgreSQL keeps it for a process that stands still, however long: that one may be between two bytes of a request.
    lanes: which ones it serves, for people and metrics.
    """

    def __init__(self, database_url: str, seen: Seen, every_s: float = 1.0, lanes: Sequence[str] = ()) -> None:
        self.key = secrets.randbits(63)
        self._application = locks.LIFE + " ".join(lanes)
        self._url, self._seen, self._every_s = database_url, seen, every_s
        self._held, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, name="sign-of-life", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the lock is held."""
        return self._held.wait(timeout_s)

    def end(self) -> None:
        """Let go of the lock, in a process that goes on and sends nothing more."""
        self._ended.set()
        self._thread.join()

    def _hold(self) -> None:
        while not self._ended.is_set():
            with (
                contextlib.suppress(psycopg.Error),
                session.connect(self._url, self._application, row_factory=dict_row, frozen_after_s=0) as connection,
            ):
                connection.execute("SELECT pg_advisory_lock(%s)", (self.key,))
                self._held.set()
                while not self._ended.is_set():
                    # What this process remembers of its database is no older than this, however little it sends.
                    self._seen.saw(store.look(connection).here)
                    self._ended.wait(self._every_s)
            self._ended.wait(self._every_s)


class ClaimGate:
    """Closed while an outcome waits to be written: who can't write outcomes claims nothing new. Closed for ever once
    the process was asked to stop: then what is claimed and not on the wire yet is not sent either."""

    def __init__(self) -> None:
        self._lock, self._unwritten, self._ended = threading.Lock(), 0, False

    @property
    def open(self) -> bool:
        """May this process claim?"""
        return self._unwritten == 0 and not self._ended

    @property
    def ended(self) -> bool:
        """Was this process asked to stop?"""
        return self._ended

    def end(self) -> None:
        """Close it for ever. May be called in a signal's handler: it takes no lock."""
        self._ended = True

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Keep the gate closed for the time of the block."""
        with self._lock:
            self._unwritten += 1
        try:
            yield
        finally:
            with self._lock:
                self._unwritten -= 1


class Stops:
    """When this process last saw a lane stand still, or the store held. What was claimed before is not sent."""

    def __init__(self) -> None:
        self._seen_s: dict[str, float] = {}

    def saw(self, provider: str, at_s: float) -> None:
        """It stands still at this moment (boot time)."""
        self._seen_s[provider] = at_s

    def since(self, provider: str, begun_s: float) -> bool:
        """Was it seen to stand still since then?"""
        return self._seen_s.get(provider, float("-inf")) >= begun_s


@dataclass(frozen=True, slots=True)
class Limits:
    """What a claim and an outcome need of the settings, in seconds."""

    lease_s: float
    deadline_s: float
    breaker_failures: int
    breaker_open_s: float

    @property
    def check_lease_s(self) -> float:
        """Of a check, which may read several times."""
        return self.lease_s * CHECK_READS


def limits_of(settings: Settings) -> Limits:
    """The limits that these settings make."""
    return Limits(
        lease_s=settings.lease_s,
        deadline_s=settings.retry.deadline_s,
        breaker_failures=settings.breaker.failures,
        breaker_open_s=settings.breaker.open_s,
    )


@dataclass(frozen=True, slots=True)
class Runtime:
    """One process's share of the flow. registrations: every known provider; connected: those that are on; connects:
    makes one of these from settings, where they can be reloaded."""

    settings: Settings
    database: Database
    registrations: Mapping[str, Registration]
    connected: dict[str, Connected]
    directories: Mapping[str, Directory]
    books: Books
    limits: Limits
    seen: Seen = field(default_factory=Seen)
    life: SignOfLife | None = None
    gate: ClaimGate = field(default_factory=ClaimGate)
    stops: Stops = field(default_factory=Stops)
    lost: LostClaims = field(default_factory=LostClaims)
    connects: Callable[[str, Settings], Connected] | None = None

    def connect_anew(self, name: str, settings: Settings) -> None:
        """From now on calls to this provider use these settings; those under way end as they began."""
        if self.connects is None:
            raise RuntimeError("this process can't connect a provider anew")
        self.connected[name] = self.connects(name, settings)

    @property
    def lanes(self) -> Sequence[str]:
        """The providers that are on and take payments; the others have look-ups only."""
        return [name for name in self.connected if self.registrations[name].operations]

    @property
    def every_lane(self) -> Sequence[str]:
        """The providers that take payments, on or not."""
        return [name for name, registration in self.registrations.items() if registration.operations]

    @property
    def targets(self) -> Mapping[str, type[BaseModel]]:
        """The target model of every known provider, as intents are read by."""
        return {name: registration.target for name, registration in self.registrations.items()}

    def provider(self, name: str) -> Provider:
        """The verbs of a provider that is on and has an operation. Raises LookupError for any other."""
        verbs = self.connected[name].provider
        if verbs is None:
            raise LookupError(f"{name} has look-ups only")
        return verbs

    def is_current(self, name: str, verbs: Provider) -> bool:
        """Are these verbs still those of this provider? If it was connected anew since, what their credentials were
        refused says nothing of the new ones."""
        return self.provider(name) is verbs

    def close(self) -> None:
        """End what this process holds: its sign of life, if it has one, and its idle connections."""
        if self.life is not None:
            self.life.end()
        self.database.dispose()

    @property
    def reference_key(self) -> bytes:
        """The key that references are made with. Raises SettingsError without one."""
        if self.settings.reference_key is None:
            raise SettingsError(
                "SETTLEPIPE_REFERENCE_KEY is not set; set the one that this installation has, or, if it never had one,"
                " a random text of 32 characters or more, and keep it for ever"
            )
        return self.settings.reference_key.get_secret_value().encode()

    @property
    def worker_key(self) -> int:
        """The key of this process's sign of life. Only processes that send have one."""
        if self.life is None:
            raise RuntimeError("this process has no sign of life, so it may not send")
        return self.life.key


def until_written(runtime: Runtime, write: Callable[[], Written]) -> tuple[Written, bool]:
    """Call `write`, which has to be safe to repeat, until PostgreSQL answered it: its result, and whether an earlier
    try may have been committed without its answer having come."""
    try:
        return write(), False
    except AWAY:
        with runtime.gate.closed():
            return _again(write), True


def _again(write: Callable[[], Written]) -> Written:
    tries = 0
    while True:
        time.sleep(min(2.0, 0.1 * 2**tries) * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
        try:
            return write()
        except AWAY:
            tries = min(tries + 1, 10)
            log.warning("PostgreSQL does not answer; what happened is kept and written when it does")
