"""A strike on the past: PostgreSQL's data folder comes back as it was some seconds before, and a person recovers it."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos import load
from tests.chaos.plan import Draws, Strike
from tests.chaos.world import World
from tests.support.stack import Row, descendants, wait_until

ALIVE, UNTOLD = "alive", "untold"
_WIRE_S = 3.0  # no answer takes longer here
_HELD_S = 3.0  # the store is held: for so long nothing may happen
_REFUSED = b"nothing is accepted"  # says an intake of a store that is held
_WAIT_S = 15.0  # with patience for a loaded machine: a minute and a half
_REST_S = 45.0  # from the restore until every intent has come again
_PERSON = ("--by", "chaos")


@contextmanager
def restored(world: World, strike: Strike) -> Iterator[None]:
    """Keep a cold copy, pay on for the length of the strike, kill everything at once and put the copy back. The store
    has to be held; then it is recovered, and upstream sends everything again.

    value: ALIVE: PostgreSQL alone is killed, and the others when the store is held: until then each of them knows what
    it saw. UNTOLD: the relays are frozen meanwhile, so that the events stream tells of nothing that is lost.
    """
    data = world.stack.home / "postgres"
    copy = world.stack.home.with_name(f"{world.stack.home.name}-copy")  # not on the disk that gets full
    try:
        with world.alone(strike.length_s + _REST_S):
            _copied_cold(world, data, copy)
            if UNTOLD in strike.value:
                for name in world.parts:
                    if name.startswith("relay"):
                        world.stack.signal_tree(name, signal.SIGSTOP)
            yield
            _put_back(world, copy, data, alive=ALIVE in strike.value)
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _copied_cold(world: World, data: Path, copy: Path) -> None:
    with _nobody_restarts(world):
        _end(world, "postgres", signal.SIGINT)
        _copied(data, copy)


def _put_back(world: World, copy: Path, data: Path, *, alive: bool) -> None:
    world.lost_ever = True
    world.lost.set()
    read = {path: path.stat().st_size for path in (world.stack.home / "logs").glob("intake*.log")}
    with _nobody_restarts(world):
        _kill(world, ["postgres"] if alive else [*world.parts, "postgres"])
        paid = _quiet_ledger(world)
        shutil.rmtree(data)
        _copied(copy, data)
        restored_at = datetime.now(UTC)
    world.broken += _held(world, paid, restored_at, read)
    if alive:
        _kill(world, world.parts)
    world.broken += _recovered(world)
    world.lost.clear()


@contextmanager
def _nobody_restarts(world: World) -> Iterator[None]:
    """What ends stays so for the length of the block: the supervisor is stopped."""
    os.kill(world.stack.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(world.stack.process.pid, signal.SIGCONT)


def _end(world: World, name: str, number: signal.Signals) -> None:
    """Have a process end, and with SIGKILL all that it started."""
    pids = descendants(world.stack.pids[name])
    for pid in pids if number == signal.SIGKILL else pids[:1]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    wait_until(lambda: not any(_works(pid) for pid in pids), f"{name} ends", _WAIT_S)


def _kill(world: World, names: Sequence[str]) -> None:
    for name in names:
        _end(world, name, signal.SIGKILL)


def _works(pid: int) -> bool:
    """It is there, and not a zombie that waits for the supervisor."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _copied(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def _quiet_ledger(world: World) -> list[Row]:
    """What is applied, once nothing that was on the wire is applied any more."""
    seen = [world.stack.sandbox.ledger()]

    def stands() -> bool:
        time.sleep(_WIRE_S)
        seen.append(world.stack.sandbox.ledger())
        return len(seen[-1]) == len(seen[-2])

    wait_until(stands, "the ledger stands still", _WAIT_S)
    return seen[-1]


def _held(world: World, paid: Sequence[Row], restored_at: datetime, read: Mapping[Path, int]) -> list[str]:
    """What is done before a person recovers the store. read: how much of each intake's log was written before."""
    stack = world.stack

    def accepted() -> int:
        rows = stack.query("SELECT count(*) AS n FROM payments WHERE created_at > %s", restored_at)
        return int(rows[0]["n"])

    def tried() -> bool:
        return accepted() > 0 or any(_REFUSED in path.read_bytes()[size:] for path, size in read.items())

    wait_until(lambda: stack.query("SELECT held_at FROM store")[0]["held_at"], "the store is held", _WAIT_S)
    wait_until(tried, "an intake has come to the store", _WAIT_S)
    time.sleep(_HELD_S)  # everything runs, upstream sends on
    found = []
    if len(stack.sandbox.ledger()) != len(paid):
        found.append("something was sent before the store was recovered")
    if accepted():
        found.append("something was accepted before the store was recovered")
    return found


def _recovered(world: World) -> list[str]:
    """Recover the store, and have every intent come again."""
    stack = world.stack
    done = stack.command("recover", *_PERSON, "--json")
    if done.returncode:
        return [f"recover ended with {done.returncode}: {done.stderr[-300:]}"]
    stack.submit(list(world.upstream.sent.values()))
    wait_until(lambda: not load.nowhere(world) or world.stop.is_set(), "every intent came again", _WAIT_S, pause_s=1)
    done = stack.command("recover", "--close", *_PERSON)
    return [f"recover --close ended with {done.returncode}: {done.stderr[-300:]}"] if done.returncode else []


# Nothing of the sandbox's may still be late, and nobody frozen, when the copy is made.
KINDS = {
    "restored": (
        Draws(
            lambda rng, _: ("postgres", rng.choice(("", ALIVE, UNTOLD, f"{ALIVE},{UNTOLD}"))),
            4,
            8,
            lead_s=8,
            rest_s=_REST_S,
            alone=True,
        ),
        restored,
    ),
}
