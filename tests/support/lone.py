"""One of the product's processes by itself, on the tests' servers: killed, frozen, and watched by its log."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from shared.settings import PREFIX
from tests.support.notified import notified
from tests.support.stack import STOP_TIMEOUT_S, wait_until
from tests.support.warm import Process, fork, main_of

KEY = Fernet.generate_key().decode()
ON = {
    "UBILL__BASE_URL": "http://127.0.0.1:1/v1",
    "MTN__BASE_URL": "http://127.0.0.1:1/v1",
    "MTN__COUNTRY_CODE": "GHA",
    "INTAKE__RECLAIM_IDLE_S": "1",
}
TARGETS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ubill": ("GEL", {"account_id": 700001}),
    "mtn": ("GHS", {"id_type": "Account Number", "id": "00700001", "customer_type": 2}),
}


@dataclass
class Lone:
    """A process that has announced itself."""

    process: Process
    log: Path

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def lines(self) -> list[dict[str, Any]]:
        """What it logged so far."""
        whole = self.log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.split("\n") if line.startswith("{")]

    def said(self, words: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if words in line["event"]]

    def alerts(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line.get("alert") == name]

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)


@contextmanager
def running(
    module: str,
    folder: Path,
    database_url: str,
    broker_url: str,
    changed: Mapping[str, object] | None = None,
    **more: str,
) -> Iterator[Lone]:
    """The `main` of this module as a process, ready, until the block ends. changed: names in the module that have
    another value here; more: settings without their prefix."""
    servers = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, "HOME": str(folder / "home")}
    keys = {"SECRET_KEYS": json.dumps([KEY]), "REFERENCE_KEY": KEY}
    settings = {**servers, **keys, **ON, **more}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {PREFIX + name: value for name, value in settings.items()}
    log = folder / f"{module}-{len(list(folder.iterdir()))}.log"
    with notified() as heard:
        environment["NOTIFY_SOCKET"] = str(heard.address)
        process = fork(environment, log, main_of, module, changed or {})
        try:
            wait_until(lambda: heard.heard or process.poll() is not None, f"{module} is ready", 60)
            assert process.poll() is None, log.read_text()
            yield Lone(process, log)
        finally:
            _stop(process)
            print(log.read_text()[-6000:])  # shown when the test fails


def _stop(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)
        process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def intent(provider: str, intent_id: str) -> bytes:
    """A good intent for a lane without lists."""
    currency, target = TARGETS[provider]
    return json.dumps(
        {
            "intent_id": intent_id,
            "source": "shop",
            "provider": provider,
            "operation": "settle",
            "amount": "25.50",
            "currency": currency,
            "paid_at": "2026-11-21T03:24:12Z",
            "target": target,
        }
    ).encode()
