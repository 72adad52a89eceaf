"""The product as `settlepipe up --sandbox` runs it, each part's connections through a link of the harness's own.

As a program it is what `up` is, with a table of processes of its own; CHAOS_PRODUCT says how, as JSON.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from deploy.local import processes
from deploy.local.children import Child
from deploy.local.home import kept_or_chosen, prepare
from deploy.local.processes import Stack as Local
from deploy.local.up import up
from shared.settings import PREFIX, load_settings
from tests.at import PRELOADED
from tests.support import stack
from tests.support.stack import Stack

VARIABLE = "CHAOS_PRODUCT"
POINTS_VARIABLE = "CHAOS_POINTS"  # read by tests/support/preloaded: the folder where points are armed
DOUBLED = ("dispatcher", "relay", "beat", "intake")
_PR_SET_PDEATHSIG = 1
SINGLES = ("dispatcher", "relay", "intake")

# The settle window is twice as long as anything of the sandbox's or a link's is late.
SETTINGS: Mapping[str, str] = {
    "BILLCENTER__SETTLE_WINDOW_S": "3",
    "UBILL__SETTLE_WINDOW_S": "3",
    "MTN__SETTLE_WINDOW_S": "3",
    "FROZEN_AFTER_S": "6",
    "INTAKE__BATCH": "20",  # so that batches are full, and the next one is read ahead
    "REFUND_WAIT_S": "60",
    "BREAKER__FAILURES": "12",
    "BREAKER__OPEN_S": "1.5",
    "CHECK__LADDER_S": json.dumps([0, 1, 2, 2, 2, 3, 3, 3, 5, 5, 5, 10]),
    "BILLCENTER__CONCURRENCY": "8",
    "UBILL__CONCURRENCY": "8",
    "MTN__CONCURRENCY": "8",
}


@dataclass(frozen=True, slots=True)
class Parts:
    """Which processes run, and where their links begin: {"worker-mtn-1:postgres": port}."""

    providers: Sequence[str]
    workers: int = 1
    lean: bool = False
    ports: Mapping[str, int] = field(default_factory=dict)
    points: str = ""

    @property
    def workers_names(self) -> list[str]:
        """The senders' processes."""
        return [f"worker-{name}-{number}" for name in self.providers for number in range(1, self.workers + 1)]

    @property
    def names(self) -> list[str]:
        """Every process of the product; servers and sandbox aside."""
        if self.lean:
            return [*self.workers_names, *SINGLES]
        return [*self.workers_names, "worker-jobs", *DOUBLED, *(f"{name}-2" for name in DOUBLED)]


@dataclass(frozen=True, slots=True)
class Servers:
    """The ports on which the servers will listen."""

    postgres: int
    broker: int
    sandbox: int


def chosen_ports(home: Path) -> Servers:
    """Chosen before anything runs, so that the links can lead there."""
    kept = kept_or_chosen(prepare(home))
    return Servers(kept.postgres_port, kept.valkey_port, kept.sandbox_port)


def start(home: Path, parts: Parts, settings: Mapping[str, str]) -> Stack:
    """Run it; ready when it returns."""
    os.environ[VARIABLE] = json.dumps(asdict(parts))
    try:
        command = [sys.executable, "-m", "tests.chaos.product"]
        return stack.start(home, parts.workers, command=command, **{**SETTINGS, **settings})
    finally:
        del os.environ[VARIABLE]


def main() -> int:
    """Run until a signal says stop, or the harness is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    parts = Parts(**json.loads(os.environ[VARIABLE]))
    return up(load_settings(), sandbox=True, workers=parts.workers, table=lambda local: _table(local, parts))


def _table(local: Local, parts: Parts) -> Sequence[Child]:
    found = {child.name: child for child in processes.product(replace(local, lanes=tuple(parts.providers)))}
    for name in DOUBLED:
        command = tuple(word.replace("beat-schedule", "beat-schedule-2") for word in found[name].command)
        found[f"{name}-2"] = replace(found[name], name=f"{name}-2", command=command)
    return [_linked(found[name], local, parts) for name in parts.names]


def _linked(child: Child, local: Local, parts: Parts) -> Child:
    """The child with the URLs of its own links, and with what is preloaded into it."""
    servers = {
        "postgres": local.kept.postgres_port,
        "broker": local.kept.valkey_port,
        "sandbox": local.kept.sandbox_port,
    }
    environment = dict(child.environment)
    for server, port in servers.items():
        link = parts.ports.get(f"{child.name}:{server}")
        for variable, value in environment.items():
            if link is not None and variable.startswith(PREFIX) and f"127.0.0.1:{port}/" in value:
                environment[variable] = value.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{link}/")
    if parts.points:
        path = environment.get("PYTHONPATH", "")
        environment |= {
            POINTS_VARIABLE: parts.points,
            "PYTHONPATH": path if str(PRELOADED) in path else os.pathsep.join(filter(None, (str(PRELOADED), path))),
        }
    return replace(child, environment=environment)


if __name__ == "__main__":
    sys.exit(main())
