"""The product's processes forked from one that has imported all of it: a start takes a tenth of the processor time.

A process of its own all the same, with its own pid, environment, log and end. How it is started by `settlepipe run` and
by `python -m` is what tests/integration/test_run.py is about; other tests ask what it does then.
"""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from operator import attrgetter
from pathlib import Path
from typing import Protocol

from tests.support.stack import ROOT

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "scheduler.dispatcher",
        "scheduler.exporter",
        "scheduler.relay",
        "tests.support.warm",
        "worker.callback",
        "worker.intake",
        "worker.web.__main__",
    ]
)


class Process(Protocol):
    """What subprocess.Popen and Forked have in common."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Forked:
    """As subprocess.Popen."""

    process: ForkServerProcess

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired(self.process.name, timeout or 0)
        return self.process.exitcode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(module: str, environment: Mapping[str, str], log: Path, changed: Mapping[str, object] | None = None) -> Forked:
    """Run the `main` of this module. log: takes what it prints. changed: names in the module that have another value
    there, dots in them included."""
    log.touch()
    given = (module, dict(environment), log, dict(changed or {}))
    process = _CONTEXT.Process(target=_become, args=given, name=module, daemon=True)
    process.start()
    return Forked(process)


def _become(module: str, environment: Mapping[str, str], log: Path, changed: Mapping[str, object]) -> None:
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(sink, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = [module]
    found = importlib.import_module(module)
    for name, value in changed.items():
        place, _, last = name.rpartition(".")
        setattr(attrgetter(place)(found) if place else found, last, value)
    found.main()
