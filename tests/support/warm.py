"""The product's processes forked from one that has imported all of it: a start takes a tenth of the processor time.

A process of its own all the same, with its own pid, environment, log and end. How it is started by `settlepipe run` and
by `python -m` is what tests/integration/test_run.py is about; other tests ask what it does then.
"""

import importlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from operator import attrgetter
from pathlib import Path
from typing import Protocol

from tests.support.stack import ROOT

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "celery.apps.beat",
        "celery.apps.worker",
        "celery.bin.celery",
        "celery.concurrency.prefork",
        "celery.concurrency.thread",
        "kombu.transport.redis",
        "scheduler.dispatcher",
        "scheduler.exporter",
        "scheduler.relay",
        "scheduler.schedule",
        "shared.celery_process",
        "shared.messaging.celery_consumer",
        "shared.reconciliation.run",
        "tests.support.by_itself",
        "worker.callback",
        "worker.intake",
        "worker.senders",
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


def fork(environment: Mapping[str, str], log: Path, run: Callable[..., None], *given: object) -> Forked:
    """A process that runs `run(*given)`, a function of a module. log: takes what it prints."""
    log.touch()
    process = _CONTEXT.Process(target=_become, args=(dict(environment), log, run, *given), daemon=True)
    process.start()
    return Forked(process)


def main_of(module: str, changed: Mapping[str, object]) -> None:
    """Run the module's `main`. changed: names in the module that have another value there, dots in them included."""
    found = importlib.import_module(module)
    for name, value in changed.items():
        place, _, last = name.rpartition(".")
        setattr(attrgetter(place)(found) if place else found, last, value)
    found.main()


def module(*words: str) -> None:
    """As `python -m` with these words."""
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _become(environment: Mapping[str, str], log: Path, run: Callable[..., None], *given: object) -> None:
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(sink, number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    run(*given)
