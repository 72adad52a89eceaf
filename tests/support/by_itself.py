"""One process by `settlepipe run`, with everything a supervisor sees of it: its word, its probes, its end."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from deploy.local import commands
from deploy.local.commands import lane_worker
from deploy.local.home import free_ports, prepare
from shared.settings import PREFIX, load_settings
from tests.support import warm
from tests.support.notified import Notified, notified
from tests.support.patience import PATIENCE
from tests.support.stack import ROOT, STOP_TIMEOUT_S
from tests.support.warm import Process

KEY = Fernet.generate_key().decode()
NEEDED = {
    "SECRET_KEYS": json.dumps([KEY]),
    "REFERENCE_KEY": KEY,
    "UBILL__CALLBACK_KEY": "made-up-callback-key",
    "METRICS_PORT": "0",  # a free one
    "WEB__PORT": "0",
}
LANE = {"MTN__BASE_URL": "http://127.0.0.1:1/v1", "MTN__COUNTRY_CODE": "GHA"}


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Ours without its settings, with these."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "FLOWER_"))}
    return bare | {PREFIX + name: value for name, value in {"HOME": str(home), **settings}.items()}


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "deploy.cli.main", *words]


@dataclass
class ByItself:
    """A process that was started."""

    process: Process
    port: int
    notified: Notified
    log: Path

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, path: str, timeout_s: float = 5) -> tuple[int, dict[str, Any]]:
        """The probe's status and what it tells. 0: nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except OSError:
            return 0, {}
        finally:
            connection.close()

    def wait(self, path: str, status: int, within_s: float = 60) -> dict[str, Any]:
        """What it tells when it first answers with this status."""
        end = time.monotonic() + within_s * PATIENCE
        while True:
            found, told = self.ask(path)
            if found == status:
                return told
            assert self.alive, self.log.read_text()
            assert time.monotonic() < end, (found, told, self.log.read_text()[-4000:])
            time.sleep(0.1)

    def wait_up(self) -> dict[str, Any]:
        """Wait until it says READY=1; what /readyz tells then."""
        end = time.monotonic() + 60 * PATIENCE
        while not self.notified.heard:
            assert self.alive, self.log.read_text()
            assert time.monotonic() < end, (self.ask("/readyz"), self.log.read_text()[-4000:])
            time.sleep(0.05)
        status, told = self.ask("/readyz")
        assert status == 200, told
        return told

    def stop(self) -> int:
        """Its exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S * PATIENCE)


@contextmanager
def running(name: str, folder: Path, *words: str, **settings: str) -> Iterator[ByItself]:
    """`settlepipe run name`, started; it is killed at the end of the block."""
    with running_of(ROOT, name, folder, *words, **settings) as one:
        yield one


@contextmanager
def running_of(tree: Path, name: str, folder: Path, *words: str, **settings: str) -> Iterator[ByItself]:
    """The same of the product whose code is in `tree`."""

    def begin(given: Mapping[str, str], log: Path) -> Process:
        with log.open("wb") as sink:
            return subprocess.Popen(command("run", name, *words), env=given, stderr=sink, stdout=sink, cwd=tree)

    with _watched(name, folder, begin, settings) as one:
        yield one


@contextmanager
def forked(name: str, folder: Path, lane: str | None = None, **settings: str) -> Iterator[ByItself]:
    """As `running`, but started in a tenth of the time: see `warm`. lane: of a worker."""

    def begin(given: Mapping[str, str], log: Path) -> Process:
        return warm.fork(given, log, _become, name, lane)

    with _watched(name, folder, begin, settings) as one:
        yield one


def _become(name: str, lane: str | None) -> None:
    settings = load_settings()
    home = prepare(settings.home)
    words = lane_worker(lane, 1, settings) if lane else commands.command(name, settings, home)
    warm.module(*words[2:])


@contextmanager
def _watched(
    name: str, folder: Path, begin: Callable[[Mapping[str, str], Path], Process], settings: Mapping[str, str]
) -> Iterator[ByItself]:
    (port,) = free_ports(1)
    log = folder / f"{name}-{len(list(folder.iterdir()))}.log"
    with notified() as heard:
        given = environment(folder / "home", HEALTH_PORT=str(port), **settings)
        process = begin(given | {"NOTIFY_SOCKET": str(heard.address)}, log)
        try:
            yield ByItself(process, port, heard, log)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
            print(log.read_text()[-6000:])  # shown when the test fails
