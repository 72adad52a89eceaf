"""Keeps child processes running, in one thread: it waits for a signal, a child's end or a child's sign of life.

The order of things is in `up`; here is how a child is watched, restarted and stopped.
"""

import contextlib
import logging
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from deploy.local import children
from deploy.local.children import Child, Started
from deploy.local.kept import LocalError

BACKOFF_BASE_S = 0.5
BACKOFF_CAP_S = 10.0
SETTLED_S = 10.0  # up for so long: its next end is a first one again
GIVE_UP_FAILURES = 3  # ends before the first readiness
HURRY_GRACE_S = 2.0
LOG_CHECK_S = 60.0

log = logging.getLogger("settlepipe.up")


class StopRequestedError(Exception):
    """SIGINT, SIGTERM or SIGHUP came while something was waited for."""


@dataclass(slots=True)
class _Watched:
    child: Child
    started: Started
    since: float
    failures: int = 0
    restart_at: float | None = None


class Supervisor:
    """The children, and what to tell when a pid changes: changed(pids by name). Use it inside `watching_signals`."""

    def __init__(self, changed: Callable[[Mapping[str, int]], None]) -> None:
        self.changed = changed
        self.stops_requested = 0
        self._watched: dict[str, _Watched] = {}
        self._untold = False
        self._wake, self._waker = os.pipe()
        self._next_log_check = time.monotonic() + LOG_CHECK_S

    @property
    def pids(self) -> dict[str, int]:
        """Each child's latest process."""
        return {name: watched.started.process.pid for name, watched in self._watched.items()}

    @contextlib.contextmanager
    def watching_signals(self) -> Iterator[None]:
        """Take the signals for the length of the block; it ends with `stop_all`."""

        def stop(number: int, _: FrameType | None) -> None:
            self.stops_requested += 1

        os.set_blocking(self._waker, False)
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        for number, handler in before.items():
            if number != signal.SIGHUP or handler is not signal.SIG_IGN:  # nohup means what it says
                signal.signal(number, stop)
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self._wake)
            os.close(self._waker)

    def run(self, wanted: Sequence[Child], timeout_s: float) -> None:
        """Start these and return when all are up. Raises what `wait` does."""
        self.start(wanted)
        self.wait(wanted, timeout_s)

    def start(self, wanted: Sequence[Child]) -> None:
        """Start these; they are watched from now on."""
        for child in wanted:
            children.rotate(child.log)
            self._watched[child.name] = _Watched(child, children.start(child), time.monotonic())

    def wait(self, wanted: Sequence[Child], timeout_s: float) -> None:
        """Return when all of these are up. Raises LocalError when one can't come up, StopRequestedError."""
        deadline = time.monotonic() + timeout_s
        while late := [child for child in wanted if not self._watched[child.name].started.look()]:
            if self.stops_requested:
                raise StopRequestedError
            for child in late:
                if self._watched[child.name].failures >= GIVE_UP_FAILURES:
                    raise LocalError(f"{child.name} ends again and again; {child.log} says why")
            if time.monotonic() > deadline:
                names = " and ".join(child.name for child in late)
                raise LocalError(f"{names} did not come up within {timeout_s:.0f} s; see {late[0].log}")
            self.turn()

    def turn(self) -> None:
        """Wait until something happens, a second at most, and restart what is due."""
        self._wait(self._pause_s())
        self._revive(self._watched.values())
        self._limit_logs()

    def stop_all(self) -> None:
        """Stop everything, stage after stage; a further stop signal makes it quick. Never raises."""
        for stage in sorted({watched.child.stop_stage for watched in self._watched.values()}):
            ending = [watched for watched in self._watched.values() if watched.child.stop_stage == stage]
            later = [watched for watched in self._watched.values() if watched.child.stop_stage > stage]
            self._stop(ending, later)

    def _stop(self, ending: Sequence[_Watched], needed: Sequence[_Watched]) -> None:
        asked = {watched.child.name: (0, time.monotonic()) for watched in ending}
        left = [watched for watched in ending if children.ask_to_stop(watched.started, 0)]
        while left:
            self._wait(0.2)
            self._revive(needed)  # a worker needs the database to write its last outcome
            for watched in left:
                step, since = asked[watched.child.name]
                grace_s = watched.child.grace_s if self.stops_requested < 2 else HURRY_GRACE_S
                if time.monotonic() > since + grace_s and children.ask_to_stop(watched.started, step + 1):
                    log.warning("%s did not stop in time and is asked harder", watched.child.name)
                    asked[watched.child.name] = (step + 1, time.monotonic())
            left = [watched for watched in left if watched.started.process.poll() is None]
        for watched in ending:
            watched.started.forget()
            del self._watched[watched.child.name]
            log.info("%s stopped", watched.child.name)

    def _pause_s(self) -> float:
        now = time.monotonic()
        due = [watched.restart_at - now for watched in self._watched.values() if watched.restart_at is not None]
        unready = any(watched.restart_at is None and not watched.started.look() for watched in self._watched.values())
        return max(0.0, min([*due, 0.05 if unready else 1.0]))

    def _wait(self, timeout_s: float) -> None:
        unready = [watched.started for watched in self._watched.values() if not watched.started.ready]
        notices = {started.notify.fileno(): started for started in unready if started.notify is not None}
        readable, _, _ = select.select([self._wake, *notices], [], [], timeout_s)
        for descriptor in readable:
            if descriptor == self._wake:
                os.read(self._wake, 4096)
            else:
                notices[descriptor].look()

    def _revive(self, some: Iterable[_Watched]) -> None:
        now = time.monotonic()
        for watched in some:
            if watched.restart_at is None and watched.started.process.poll() is not None:
                self._schedule(watched, now)
            elif watched.restart_at is not None and now >= watched.restart_at:
                self._restart(watched, now)
        if self._untold:
            with contextlib.suppress(OSError):  # a full disk: told at the next turn
                self.changed(self.pids)
                self._untold = False

    def _restart(self, watched: _Watched, now: float) -> None:
        """A full disk ends neither us nor what still runs: what can't be started now is tried again."""
        try:
            started = children.start(watched.child)
        except OSError as error:
            watched.restart_at = now + BACKOFF_CAP_S / 4
            log.warning("%s can't be started and is tried again: %s", watched.child.name, error.strerror)
            return
        watched.started, watched.since, watched.restart_at = started, now, None
        self._untold = True
        log.info("%s runs again, process %d", watched.child.name, watched.started.process.pid)

    def _schedule(self, watched: _Watched, now: float) -> None:
        watched.started.forget()
        if watched.started.ready and now - watched.since > SETTLED_S:
            watched.failures = 0
        pause_s = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2**watched.failures)
        watched.failures += 1
        watched.restart_at = now + pause_s
        status = watched.started.process.returncode
        log.warning("%s ended with status %d and is restarted in %.1f s", watched.child.name, status, pause_s)

    def _limit_logs(self) -> None:
        if time.monotonic() >= self._next_log_check:
            self._next_log_check = time.monotonic() + LOG_CHECK_S
            for watched in self._watched.values():
                children.rotate(watched.child.log, children.LOG_LIMIT_BYTES)
