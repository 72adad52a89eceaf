"""The whole product as `settlepipe up --sandbox` runs it, for tests that watch it from outside."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import redis
from psycopg.rows import dict_row

from deploy.local.processes import sandbox_settings
from shared.messaging.broker import connect
from shared.messaging.events_stream import EVENTS
from shared.messaging.intake_entry import INTAKE_FIELD
from shared.settings import PREFIX
from shared.settings.sections import BrokerTlsSettings as Tls
from tests.support.contract import assert_kept
from tests.support.patience import PATIENCE
from tests.support.python_path import PYTHONPATH
from tests.support.sandbox import SandboxClient

ROOT = Path(__file__).parents[2]
UP = (
    "import sys; from deploy.local.up import up; from shared.settings import load_settings;"
    " sys.exit(up(load_settings(), sandbox=sys.argv[2] == 'own', workers=int(sys.argv[1])))"
)
STREAM = "settlepipe:intake"
LANES = ("billcenter", "ubill", "mtn")  # of the sandbox
READY_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
COMMAND_TIMEOUT_S = 120
POLL_S = 0.05

# Every wait short, so that what takes minutes in production is seen in seconds. The ladder of checks is long enough
# to outlast any process that a test freezes; the breaker stays out, since the tests' faults are no outage.
SHORT: Mapping[str, str] = {
    "HTTP__CONNECT_TIMEOUT_S": "2",
    "HTTP__TOTAL_TIMEOUT_S": "2.5",
    "LEASE__MARGIN_S": "1.5",
    "DISPATCH_LEASE_S": "3",
    "RETRY__BASE_S": "0.2",
    "RETRY__CAP_S": "2",
    "CHECK__LADDER_S": json.dumps([0, 0.5, 1, 1, 2, 2, 3, 3, 5, 5, 10]),
    "BILLCENTER__SETTLE_WINDOW_S": "1.5",
    "INTAKE__RECLAIM_IDLE_S": "2",
    "BREAKER__FAILURES": "1000000",
}
LEASE_S = 4.0  # HTTP__TOTAL_TIMEOUT_S and LEASE__MARGIN_S

Row = dict[str, Any]
T = TypeVar("T")


@dataclass
class Stack:
    """A running `up --sandbox` on `home`."""

    home: Path
    process: "subprocess.Popen[str]"
    stderr: Path
    environment: Mapping[str, str] = field(repr=False)
    provider: SandboxClient | None = None  # one that outlives this product
    _judged: set[bytes] = field(default_factory=set, repr=False)  # entries of the events stream

    @property
    def told(self) -> dict[str, Any]:
        """stack.json as it is now."""
        found: dict[str, Any] = json.loads((self.home / "stack.json").read_text())
        return found

    @property
    def pids(self) -> dict[str, int]:
        """Each process's pid, by stack.json."""
        found: dict[str, int] = self.told["processes"]
        return found

    @property
    def sandbox(self) -> SandboxClient:
        """The provider, and the witness of what it applied."""
        return self.provider or SandboxClient(self.told["sandbox_url"])

    def broker(self) -> "redis.Redis":
        """A client as an upstream would have."""
        named = {name: self.environment.get(f"{PREFIX}BROKER_TLS__{name.upper()}") for name in Tls.model_fields}
        prefix = self.environment.get(f"{PREFIX}BROKER_KEY_PREFIX", "")
        return connect(self.told["broker_url"], Tls.model_validate(named), prefix)

    def submit(self, intents: Iterable[Mapping[str, Any] | bytes], timeout_s: float = 30) -> None:
        """Put intents on the intake queue; each is put again until the broker says that it has it."""
        with self.broker() as client:
            for intent in intents:
                raw = intent if isinstance(intent, bytes) else json.dumps(intent, ensure_ascii=False).encode()
                insist(partial(client.xadd, STREAM, {INTAKE_FIELD: raw}), redis.RedisError, timeout_s)

    def query(self, statement: str, *parameters: Any, timeout_s: float = 30) -> list[Row]:
        """Ask PostgreSQL; again while it does not answer."""

        def ask() -> list[Row]:
            with psycopg.connect(
                self.told["database_url"],
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=5,
                options="-c statement_timeout=20000",
            ) as connection:
                return connection.execute(statement.encode(), parameters).fetchall()

        return insist(ask, (psycopg.OperationalError, FileNotFoundError), timeout_s)

    def events(self, timeout_s: float = 30) -> list[Row]:
        """Every event on the stream, oldest first; each is as its schema says."""
        with self.broker() as client:
            entries = insist(lambda: client.xrange(EVENTS), redis.RedisError, timeout_s)
        found = [json.loads(fields[b"event"]) for _, fields in entries]
        assert_kept(event for (entry_id, _), event in zip(entries, found, strict=True) if entry_id not in self._judged)
        self._judged |= {entry_id for entry_id, _ in entries}
        return found

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command of the product's, as a person runs it."""
        return subprocess.run(
            [sys.executable, "-m", "deploy.cli.main", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S * PATIENCE,
            check=False,
        )

    def signal_tree(self, name: str, number: int) -> None:
        """Signal a process and all its descendants (PostgreSQL's backends freeze with it)."""
        for pid in descendants(self.pids[name]):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self, name: str) -> None:
        """SIGKILL a process and return when another one runs in its place, by stack.json."""
        before = self.pids[name]
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: (pid := self.pids[name]) != before and is_alive(pid), f"{name} runs again", 30)

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """SIGSTOP a process (and its descendants) for the length of the block."""
        self.signal_tree(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal_tree(name, signal.SIGCONT)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does. The exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(STOP_TIMEOUT_S * PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()  # its children end with it
            raise
        finally:
            print(tail(self.stderr))  # shown when the test fails
        return self.process.returncode

    def left(self) -> dict[int, str]:
        """Processes that still belong to this home, PostgreSQL's helpers included, with their command lines."""
        found = {}
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid() and is_alive(int(process.name)):
                with contextlib.suppress(OSError):
                    variables = (process / "environ").read_bytes().split(b"\0")
                    inside = os.readlink(process / "cwd").startswith(str(self.home))
                    if inside or f"{PREFIX}HOME={self.home}".encode() in variables:
                        found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        return found


def start(home: Path, workers: int = 2, *, command: Sequence[str] = (), **changed: str) -> Stack:
    """`up --sandbox` on home with SHORT waits (changed: other settings, without the prefix); ready when it returns.

    command: what runs it in place of UP.
    """
    return _start(home, command or [sys.executable, "-c", UP, str(workers), "own"], None, changed)


def start_at(provider: SandboxClient, home: Path, *, on: Sequence[str] = LANES, **changed: str) -> Stack:
    """The same, with one worker a lane, and a sandbox that outlives the product in place of one of its own. on: the
    providers that are."""
    return _start(home, [sys.executable, "-c", UP, "1", "another"], provider, changed, on)


def _start(
    home: Path,
    command: Sequence[str],
    provider: SandboxClient | None,
    changed: Mapping[str, str],
    on: Sequence[str] = LANES,
) -> Stack:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {PREFIX + name: value for name, value in {**SHORT, **changed, "HOME": str(home)}.items()}
    environment["PYTHONPATH"] = PYTHONPATH
    if provider is not None:
        for name in on:
            environment |= sandbox_settings(name, provider.url)
    stderr = home.parent / f"{home.name}-{time.monotonic_ns()}.stderr"
    with stderr.open("wb") as sink:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
        )
    stack = Stack(home, process, stderr, environment, provider)
    try:
        wait_until(lambda: (home / "stack.json").exists() or process.poll() is not None, "up is ready", READY_TIMEOUT_S)
        assert process.poll() is None, f"up ended with {process.returncode}: {tail(stderr)}"
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return stack


def wait_until(true: Callable[[], T | None], what: str, timeout_s: float = 30, pause_s: float = POLL_S) -> T:
    """The first true value of `true()`, asked again and again. Fails when that takes much longer than `timeout_s`."""
    end = time.monotonic() + timeout_s * PATIENCE
    while not (value := true()):
        assert time.monotonic() < end, f"not within {timeout_s:g} s: {what}"
        time.sleep(pause_s)
    return value


def insist(
    call: Callable[[], T], on: type[Exception] | tuple[type[Exception], ...], timeout_s: float, pause_s: float = 0.1
) -> T:
    """Call again while it raises `on`; long after `timeout_s` let it out."""
    end = time.monotonic() + timeout_s * PATIENCE
    while True:
        try:
            return call()
        except on:
            if time.monotonic() > end:
                raise
            time.sleep(pause_s)


def descendants(pid: int) -> list[int]:
    """This process and everything that it started, parents first."""
    parents: dict[int, list[int]] = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(process.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


@contextlib.contextmanager
def standing_still(pids: Sequence[int]) -> Iterator[None]:
    """These processes are stopped (SIGSTOP) until the block ends."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def is_alive(pid: int) -> bool:
    """Is it running? A zombie that nobody has reaped yet is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def tail(path: Path, characters: int = 4000) -> str:
    """The end of a log."""
    return path.read_text(errors="replace")[-characters:] if path.exists() else ""
