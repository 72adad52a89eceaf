"""Strikes on processes: killed, frozen for longer than any lease, killed at a named point."""

import contextlib
import os
import random
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shared.runtime import STALE_S
from tests.chaos.plan import Draws, Strike
from tests.chaos.product import SINGLES
from tests.chaos.world import World
from tests.support.stack import LEASE_S, wait_until

FREEZE_S = max(LEASE_S, STALE_S) + 0.5
SENDERS = "worker"
# Named points (tests/support/preloaded), and whose they are.
POINTS: Mapping[str, str] = {
    "before_claim": SENDERS,
    "after_claim": SENDERS,
    "after_resend_claim": SENDERS,
    "before_first_byte": SENDERS,
    "before_post": SENDERS,
    "after_first_byte": SENDERS,
    "after_answer": SENDERS,
    "before_outcome": SENDERS,
    "after_outcome": SENDERS,
    "before_verdict": SENDERS,
    "before_accept": "intake",
    "after_accept": "intake",
    "before_publish": "dispatcher",
    "before_xadd": "relay",
    "after_xadd": "relay",
}
NOT_LEAN = frozenset({"kill_job", "kill_double", "freeze_double"})


@contextmanager
def kill(world: World, strike: Strike) -> Iterator[None]:
    """SIGKILL; the supervisor starts another one."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it is being restarted
        os.kill(world.stack.pids[strike.where], signal.SIGKILL)
    yield


@contextmanager
def freeze(world: World, strike: Strike) -> Iterator[None]:
    """SIGSTOP, with all that it started; SIGCONT at the end."""
    pid = world.stack.pids[strike.where]
    world.stack.signal_tree(strike.where, signal.SIGSTOP)
    try:
        yield
    finally:
        if world.stack.pids[strike.where] == pid:
            world.stack.signal_tree(strike.where, signal.SIGCONT)


@contextmanager
def point(world: World, strike: Strike) -> Iterator[None]:
    """The first process that comes to this point while it is armed ends there."""
    with _armed(world, strike, signal.SIGKILL):
        yield


@contextmanager
def point_freeze(world: World, strike: Strike) -> Iterator[None]:
    """The first process that comes to this point while it is armed stops there, until the strike is over."""
    with _armed(world, strike, signal.SIGSTOP) as reached:
        try:
            yield
        finally:
            if reached.exists():
                with contextlib.suppress(ProcessLookupError):  # killed by another strike
                    os.kill(int(reached.read_text()), signal.SIGCONT)


@contextmanager
def _armed(world: World, strike: Strike, number: signal.Signals) -> Iterator[Path]:
    armed = world.points / strike.value
    reached = armed.with_name(f"{armed.name}.reached")
    fresh = armed.with_name(f"{armed.name}.new")
    fresh.write_text(str(int(number)))
    fresh.rename(armed)
    try:
        yield reached
    finally:
        armed.unlink(missing_ok=True)
        if reached.exists():
            reached.unlink()
            world.struck[f"at {strike.value}"] += 1


def let_go(world: World) -> None:
    """Wake whatever a strike may have left frozen, and return when every process runs."""
    for name in [*world.parts, "postgres", "valkey"]:
        world.stack.signal_tree(name, signal.SIGCONT)
    wait_until(lambda: all(_runs(pid) for pid in world.stack.pids.values()), "every process runs again", 60)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZXT"
    except OSError:
        return False


def _worker(rng: random.Random, providers: Sequence[str]) -> tuple[str, str]:
    return f"worker-{rng.choice(providers)}-1", ""


def _one_of(*names: str) -> Draws:
    return Draws(lambda rng, _: (rng.choice(names), ""))


def _long(*names: str) -> Draws:
    return Draws(lambda rng, _: (rng.choice(names), ""), FREEZE_S, FREEZE_S + 2)


def _point(rng: random.Random, _providers: Sequence[str]) -> tuple[str, str]:
    name = rng.choice(sorted(POINTS))
    return POINTS[name], name


KINDS = {
    "kill_worker": (Draws(_worker, weight=2), kill),
    "kill_single": (_one_of(*SINGLES), kill),
    "kill_double": (_one_of(*(f"{name}-2" for name in SINGLES)), kill),
    "kill_job": (_one_of("beat", "beat-2", "worker-jobs"), kill),
    "kill_postgres": (_one_of("postgres"), kill),
    "kill_valkey": (_one_of("valkey"), kill),
    "freeze_worker": (Draws(_worker, FREEZE_S, FREEZE_S + 2, weight=2), freeze),
    "freeze_single": (_long(*SINGLES), freeze),
    "freeze_double": (_long(*(f"{name}-2" for name in SINGLES)), freeze),
    "freeze_postgres": (_long("postgres"), freeze),
    "freeze_valkey": (_long("valkey"), freeze),
    "point_freeze": (Draws(_point, FREEZE_S, 2 * FREEZE_S, keys=lambda where: ("point",)), point_freeze),
    "point": (Draws(_point, 2, 4, keys=lambda where: ("point",), weight=4), point),
}
