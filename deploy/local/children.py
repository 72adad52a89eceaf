"""Child processes that never outlive their parent.

On Linux the kernel signals a child when the *thread* that started it ends, so children are started from the main
thread only. Elsewhere the next start finds what is left by the lock that children inherit (see `embedded` and `up`).
Each child has a session of its own: Ctrl-C reaches the parent alone, which stops its children in their order.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

KEPT_LOGS = 3
SERVERS_STAGE = 3  # they stop last: everything else needs them
LOG_LIMIT_BYTES = 32 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
# Looked up before any fork: between fork and exec nothing may be imported.
_prctl: Callable[..., int] | None = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def bare_environment() -> dict[str, str]:
    """For the servers: nothing of the caller's but what the loader was told (a library that sets another time)."""
    told = {name: value for name, value in os.environ.items() if name == "LD_PRELOAD" or name.startswith("FAKETIME")}
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", **told}


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's account a child runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run.

    probe: asked again and again until it says that the process is up; None: the process says so itself, with
        READY=1 on NOTIFY_SOCKET (the systemd protocol; shared.telemetry.ready).
    stop_signals: the first asks it to stop, the following ones ask harder; SIGKILL always comes last.
    death_signal: what the kernel sends it when the parent dies.
    grace_s: how long each stop signal may take.
    stop_stage: children of a lower stage are stopped, and gone, before those of a higher one are asked.
    inherits: descriptors of locks that it holds for as long as it lives.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    home: Path
    probe: Callable[[], bool] | None = None
    stop_signals: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    death_signal: signal.Signals = signal.SIGKILL
    grace_s: float = 10
    stop_stage: int = 0
    working_folder: Path | None = None
    account: Account | None = None
    inherits: tuple[int, ...] = ()

    @property
    def log(self) -> Path:
        """The file that takes its output."""
        return self.home / "logs" / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """By this a later start recognises a process that outlived its parent."""
        return self.home / "run" / f"{self.name}.pid"


@dataclass(slots=True)
class Started:
    """A child that was started. ready turns true once and stays so."""

    child: Child
    process: "subprocess.Popen[bytes]"
    notify: socket.socket | None = None
    notify_path: Path | None = None
    ready: bool = field(default=False)

    def look(self) -> bool:
        """Is it up? A process that ended is not."""
        if not self.ready and self.process.poll() is None:
            self.ready = self.child.probe() if self.child.probe else self._was_notified()
            if self.ready:
                self._stop_listening()
        return self.ready and self.process.poll() is None

    def _was_notified(self) -> bool:
        assert self.notify is not None  # noqa: S101 - start() makes one for each child without a probe
        with contextlib.suppress(BlockingIOError):
            while True:
                if b"READY=1" in self.notify.recv(4096).split(b"\n"):
                    return True
        return False

    def forget(self) -> None:
        """Release what belongs to a process that ended."""
        self._stop_listening()
        self.child.pid_file.unlink(missing_ok=True)

    def _stop_listening(self) -> None:
        if self.notify is not None:
            self.notify.close()
            self.notify = None
        if self.notify_path is not None:
            shutil.rmtree(self.notify_path.parent, ignore_errors=True)
            self.notify_path = None


def start(child: Child) -> Started:
    """Start a child; its output is appended to its log. Call it from the main thread only.

    Raises OSError, and nothing runs, where that can't be done now (a full disk).
    """
    environment = {name: value for name, value in child.environment.items() if name != "NOTIFY_SOCKET"}
    notify, notify_path = None, None
    if child.probe is None:
        # Not in HOME: the path of a socket can't be longer than about 100 bytes.
        notify_path = Path(tempfile.mkdtemp(prefix="settlepipe-")) / "notify"
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.setblocking(False)
        notify.bind(str(notify_path))
        environment["NOTIFY_SOCKET"] = str(notify_path)
    with _open_log(child.log) as log:
        process = subprocess.Popen(
            child.command,
            env=environment,
            cwd=child.working_folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=child.inherits,
            preexec_fn=tied_to_parent(child.death_signal),  # noqa: PLW1509 - one thread starts children; one C call
            **_identity(child.account),
        )
    started = Started(child, process, notify, notify_path)
    try:
        child.pid_file.write_text(f"{process.pid}\n{' '.join(child.command)}\n")
    except OSError:
        process.kill()  # a later start could not tell whose it is
        process.wait()
        started.forget()
        raise
    return started


def _identity(account: Account | None) -> dict[str, Any]:
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def tied_to_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """For Popen's preexec_fn: the kernel sends `death_signal` when the thread that forks ends. Linux only."""
    if _prctl is None:
        return None
    prctl, parent = _prctl, os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return tie


def ask_to_stop(started: Started, step: int) -> bool:
    """Send the stop signal number `step` (SIGKILL after the last). False: the process had ended already."""
    if started.process.poll() is not None:
        return False
    signals = (*started.child.stop_signals, signal.SIGKILL)
    started.process.send_signal(signals[min(step, len(signals) - 1)])
    return True


def _open_log(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def stop_leftovers(home: Path) -> None:
    """Ask what outlived a killed parent to stop; its locks tell when it is gone. The caller holds HOME's lock.

    For systems without a signal on the parent's death: on Linux nothing is left to ask.
    """
    for pid_file in (home / "run").glob("*.pid"):
        pid, _, command = pid_file.read_text().strip().partition("\n")
        # Its number may have gone to another program since: only the same command line is ours.
        if _prctl is None and pid.isdigit() and command and _command_line(int(pid)) == command:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGINT if pid_file.stem == "postgres" else signal.SIGTERM)
        pid_file.unlink()


def _command_line(pid: int) -> str:
    shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()


def rotate(path: Path, limit_bytes: int = 0) -> None:
    """Move a log larger than `limit_bytes` to `.1` and the older ones up, keeping KEPT_LOGS of them.

    Copied and emptied, not renamed: a process that is running goes on writing (at the end) to the same file.
    """
    if not path.exists() or path.stat().st_size <= limit_bytes:
        return
    for number in range(KEPT_LOGS - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    shutil.copy2(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)
