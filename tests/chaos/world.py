"""What a strike may touch: the running product, its links, its providers' faults, the points where it can be killed."""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos.plan import Plan, Strike
from tests.chaos.proxy import Links
from tests.support.intents import Intent
from tests.support.stack import Stack, insist

CONNECT_S = 3


@dataclass
class Upstream:
    """What was sent so far, by intent id; bad: those that can't be accepted."""

    sent: dict[str, Intent] = field(default_factory=dict)
    bad: set[str] = field(default_factory=set)
    failure: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class World:
    """One run under way. stop: set when there is nothing more to wait for. struck: how often each kind struck.

    free: not set while one strikes alone. behind_s: how much longer than planned that took. lost: set while the
    database lacks a time; lost_ever: it lacked one once. broken: what a strike itself saw that may not be.
    """

    plan: Plan
    stack: Stack
    links: Links
    points: Path
    parts: Sequence[str]
    stop: threading.Event = field(default_factory=threading.Event)
    struck: Counter[str] = field(default_factory=Counter)
    upstream: Upstream = field(default_factory=Upstream)
    free: threading.Event = field(default_factory=_set)
    behind_s: float = 0.0
    lost: threading.Event = field(default_factory=threading.Event)
    lost_ever: bool = False
    broken: list[str] = field(default_factory=list)
    _faults: dict[Strike, list[dict[str, Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _alone_until: float = math.inf

    def wait(self, seconds: float) -> None:
        """Let the strike last."""
        self.stop.wait(seconds)

    @contextmanager
    def alone(self, planned_s: float) -> Iterator[None]:
        """Nothing else strikes for the length of the block. Where it takes longer than planned, as on a busy machine,
        the weather waits for it: what strikes and what is paid behind it comes so much later."""
        self._alone_until = time.monotonic() + planned_s
        self.free.clear()
        try:
            yield
        finally:
            self.behind_s += max(0.0, time.monotonic() - self._alone_until)
            self._alone_until = math.inf
            self.free.set()

    def waits(self) -> bool:
        """Does the weather stand still?"""
        return time.monotonic() > self._alone_until

    @contextmanager
    def fault(self, strike: Strike, *faults: dict[str, Any]) -> Iterator[None]:
        """Have the sandbox behave so, beside the faults of others, for the length of the block."""
        with self._lock:
            self._faults[strike] = list(faults)
            self._tell()
        try:
            yield
        finally:
            with self._lock:
                del self._faults[strike]
                self._tell()

    def _tell(self) -> None:
        sandbox = self.stack.sandbox
        for fault in sandbox.call("GET", "faults")["faults"]:
            self.struck[f"sandbox {fault['fault']}"] += fault["struck"]
        sandbox.clear_faults()
        if self._faults:
            sandbox.call("POST", "faults", [fault for one in self._faults.values() for fault in one])

    def postgres(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A session of the harness's own, past all links."""
        url = self.stack.told["database_url"]
        return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_S, application_name="chaos")

    def insist(self, *statements: str, timeout_s: float = 30) -> None:
        """Run each statement as its own transaction; all of them again while PostgreSQL does not answer."""

        def run() -> None:
            with self.postgres() as connection:
                connection.execute("SET default_transaction_read_only = off; SET statement_timeout = 0")
                for statement in statements:
                    connection.execute(statement.encode())

        insist(run, (psycopg.OperationalError, FileNotFoundError), timeout_s)
