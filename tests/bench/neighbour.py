"""The other provider: ubill, which hangs on every request while thousands of payments for it are due."""

import contextlib
import json

import psycopg

from shared import lanes
from tests.bench.contenders import asked, submit, until
from tests.bench.world import TIMEOUT_S, BenchStack, post

PROVIDER = "ubill"
ACCOUNTS = 500
HANGS_TIMEOUT_S = 30
PROBES = 20
PROBE_S = 3

_LEFT = "SELECT count(*) FROM payments WHERE provider = %s AND state = 'accepted' AND due_at IS NOT NULL"
_KNOWN = "SELECT count(*) FROM intent_keys WHERE source = %s"
_RUNS = "SELECT running::int FROM lanes WHERE provider = %s"


def settings(world: BenchStack) -> dict[str, str]:
    """What switches it on."""
    return {
        "SETTLEPIPE_UBILL__BASE_URL": f"{world.sandbox_url}/{PROVIDER}/v1",
        "SETTLEPIPE_UBILL__API_KEY": "sandbox",
    }


class Neighbour:
    """Its lane is paused but from `hang` to `calm`: what it does then is all that differs between rounds."""

    def __init__(self, world: BenchStack, connection: "psycopg.Connection[tuple[int]]", fault: str) -> None:
        self._world, self.connection, self._fault = world, connection, fault

    def hang(self, run: str, backlog: int) -> None:
        """From now on `backlog` payments are due and each request hangs; as many as there are senders do already.

        The lane's circuit breaker is closed and has counted no failure.
        """
        source = f"bench-{run}"
        submit(self._world, [json.dumps(intent(run, source, number)) for number in range(backlog)])
        until(lambda: self.count(_KNOWN, source) >= backlog, TIMEOUT_S, "the backlog was not accepted")
        post(f"{self._world.sandbox_url}/control/faults", {"provider": PROVIDER, "fault": self._fault})
        lanes.resume(self.connection, PROVIDER)  # type: ignore[arg-type]
        senders = self._world.processes * self._world.threads
        until(lambda: self.open_requests() >= senders, HANGS_TIMEOUT_S, f"fewer than {senders} requests hang")

    def calm(self) -> None:
        """It answers again; what was due is sent, its lane is paused, nothing is on the wire.

        What timed out stays unknown: its check has to wait for the settle window.
        """
        self.pause()
        post(f"{self._world.sandbox_url}/control/faults", None, "DELETE")
        self._close_breaker()
        until(lambda: self.count(_LEFT, PROVIDER) == 0, TIMEOUT_S, "the backlog was not sent")
        self.pause()

    def pause(self) -> None:
        """No request goes out, none is open."""
        lanes.pause(self.connection, PROVIDER, "bench")  # type: ignore[arg-type]
        until(lambda: self.open_requests() == 0, TIMEOUT_S, "requests stay open")

    def due(self) -> int:
        """How many payments wait to be sent for the first time."""
        return self.count(_LEFT, PROVIDER)

    def runs(self) -> bool:
        """False when its circuit breaker is open."""
        return self.count(_RUNS, PROVIDER) == 1

    def open_requests(self) -> int:
        return self._world.open_requests(PROVIDER)

    def count(self, query: str, value: str) -> int:
        return asked(self.connection, query, value)

    def _close_breaker(self) -> None:
        """One probe at a time: a resume in between would let another payment try in its place."""
        for _ in range(PROBES):
            lanes.resume(self.connection, PROVIDER)  # type: ignore[arg-type]
            with contextlib.suppress(TimeoutError):
                return until(self.runs, PROBE_S, "")
        raise TimeoutError(f"{PROVIDER}'s lane does not run again after {PROBES} probes of {PROBE_S} s")


def intent(run: str, source: str, number: int) -> dict[str, object]:
    """A made-up payment of one of some hundred accounts."""
    return {
        "intent_id": f"{run}-{number}",
        "source": source,
        "provider": PROVIDER,
        "operation": "settle",
        "amount": "1.00",
        "currency": "GEL",
        "paid_at": "2026-11-21T03:24:12.133606Z",
        "target": {"account_id": 1000 + number % ACCOUNTS},
    }
