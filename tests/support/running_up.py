"""A running `settlepipe up` for tests: how it is started, what it says, and which processes belong to it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.patience import PATIENCE
from tests.support.python_path import PYTHONPATH

ROOT = Path(__file__).parents[2]


class Up:
    """A running `up` and what it says."""

    def __init__(self, home: Path, *arguments: str, **environment: str) -> None:
        if "FAKE_SANDBOX" not in environment:
            environment["SETTLEPIPE_BILLCENTER__BASE_URL"] = "http://127.0.0.1:9"
        self.home = home
        self.order = home.parent / "order"
        self.stderr = home.parent / f"stderr-{time.monotonic_ns()}"
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "tests/integration/fake_stack.py", home, *arguments],
                env={**os.environ, "PYTHONPATH": PYTHONPATH, "FAKE_ORDER": str(self.order), **environment},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def wait_ready(self) -> "Up":
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "ready\n", self.stderr.read_text()
        return self

    @property
    def stack(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "stack.json").read_text())
        return found

    @property
    def pids(self) -> dict[str, int]:
        found: dict[str, int] = self.stack["processes"]
        return found

    def stop(self, number: int = signal.SIGTERM, *, expected: tuple[str, ...] = ("",)) -> int:
        """The exit status. Nothing but `ready` was on stdout, and no process is left."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=60 * PATIENCE)
        assert rest in expected, self.stderr.read_text()
        print(self.stderr.read_text())  # shown when the test fails
        return self.process.returncode


def wait_until(true: Callable[[], Any], deadline_s: float = 30) -> Any:
    end = time.monotonic() + deadline_s * PATIENCE
    while not (value := true()):
        assert time.monotonic() < end, "it did not become true in time"
        time.sleep(0.02)
    return value


def alive(pid: int) -> bool:
    """Is it running? A zombie that its init has not reaped yet is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_of(home: Path) -> set[int]:
    """Every process whose environment or working folder says that it belongs to HOME, PostgreSQL's helpers included."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):
                environment = (process / "environ").read_bytes().split(b"\0")
                inside = os.readlink(process / "cwd").startswith(str(home))
                if inside or f"SETTLEPIPE_HOME={home}".encode() in environment:
                    found.add(int(process.name))
    return {pid for pid in found if alive(pid)}
