"""One run: the product is started, paid through the weather, left to drain, and judged."""

import io
import signal
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis

from deploy.local.home import free_ports
from shared import lanes
from tests.chaos import disk, judge, load, moves, processes, product
from tests.chaos.kinds import KINDS
from tests.chaos.plan import Plan, Strike
from tests.chaos.proxy import PASS, Links
from tests.chaos.world import World
from tests.support.stack import Row

WATCH_S = 1.0  # between two looks at the invariants that always hold
_SHARE = 9.0  # and so many times as long as a look takes: many payments are looked at less often
RESUME_S = 3.0  # a person sets halted lanes going again so often, once the weather has cleared
_MOST = 20  # violations that are told
_AWAY = (psycopg.Error, redis.RedisError, OSError, urllib.error.URLError, AssertionError)

Tell = Callable[[str], None]


@dataclass
class Result:
    """What a run came to. violations: sentences, none where all is well. struck: how often each kind of fault did."""

    seed: int
    violations: list[str] = field(default_factory=list)
    payments: int = 0
    states: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    doubled: int = 0
    quarantined: int = 0
    parked: dict[str, int] = field(default_factory=dict)
    resent: int = 0
    events: int = 0
    start_s: float = 0.0
    drain_s: float = 0.0
    whole_s: float = 0.0
    struck: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return asdict(self)


def run(plan: Plan, home: Path, tell: Tell, *, workers: int = 1) -> Result:
    """Run a plan on `home`, a new folder. Call it from the main thread."""
    result, begun = Result(plan.seed), time.monotonic()
    with disk.small(home), _world(plan, home, workers) as world:
        try:
            load.teach(world.stack, plan.providers)
        except AssertionError as error:
            payments, seen = _seen(world)
            result.violations = [f"in good weather, before any fault: {error}", *seen, *judge.stuck(payments)][:_MOST]
            return result
        world.insist(*moves.INSTALL)
        result.start_s = time.monotonic() - begun
        tell(f"ready after {result.start_s:.0f} s; {len(plan.strikes)} faults in {plan.weather_s:.0f} s")
        found: list[str] = []
        with load.sending(world), _watched(world, found, tell):
            _weather(world)
            world.stop.wait(0 if found else 1)
        cleared = time.monotonic()
        if not found:
            found += _drained(world, tell)
            result.drain_s = time.monotonic() - cleared
        _told(world, result)
        found += [] if found else _judged(world)
        if found:
            (home / "keep").touch()
        result.violations = found[:_MOST]
    result.whole_s = time.monotonic() - begun
    return result


@contextmanager
def _world(plan: Plan, home: Path, workers: int) -> Iterator[World]:
    servers = product.chosen_ports(home)
    points = home.with_name(f"{home.name}-points")  # not on the disk that gets full
    points.mkdir()
    parts = product.Parts(plan.providers, workers, plan.lean, points=str(points))
    names = [f"{part}:{server}" for part in parts.names for server in asdict(servers)]
    taken = asdict(servers).values()  # they listen later: one of their ports taken by a link, a server goes elsewhere
    free = [port for port in free_ports(len(names) + len(taken)) if port not in taken]
    ports = dict(zip(names, free, strict=False))
    links = Links({name: (port, getattr(servers, name.partition(":")[2])) for name, port in ports.items()})
    try:
        linked = product.Parts(plan.providers, workers, plan.lean, ports, str(points))
        running = product.start(home, linked, plan.settings)
        try:
            yield World(plan, running, links, points, parts.names)
        finally:
            with suppress(OSError):  # what is frozen can't stop
                for name in running.pids:
                    running.signal_tree(name, signal.SIGCONT)
            with redirect_stdout(io.StringIO()):  # what it wrote to stderr is in a file beside its home
                running.stop()
    finally:
        links.close()


def _weather(world: World) -> None:
    """Strike by strike, each in its thread, until the last one is over and everything is sent."""
    begun, failures = time.monotonic(), list[BaseException]()

    def strike(one: Strike) -> None:
        while (left_s := begun + one.at_s + world.behind_s - time.monotonic()) > 0 or not world.free.is_set():
            if world.stop.wait(left_s if left_s > 0 else 0.2):
                return
        try:
            with KINDS[one.kind][1](world, one):
                world.struck[one.kind] += 1
                world.wait(one.length_s)
        except _AWAY as error:  # two strikes met; the product is judged all the same
            world.struck[f"{one.kind}, in part"] += 1
            if isinstance(error, AssertionError):
                world.broken.append(f"{one.text}: {error}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=strike, args=(one,), name=one.text, daemon=True) for one in world.plan.strikes]
    for thread in threads:
        thread.start()
    while not world.upstream.done.wait(0.2) and not world.stop.is_set():
        pass
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@contextmanager
def _watched(world: World, found: list[str], tell: Tell) -> Iterator[None]:
    """Hold the invariants that always hold against what is, again and again; the first violation ends the weather."""
    ended = threading.Event()

    def watch() -> None:
        took_s = 0.0
        while not ended.wait(max(WATCH_S, _SHARE * took_s)):
            with suppress(*_AWAY):  # looked at again a moment later
                begun = time.monotonic()
                payments, seen = _seen(world)
                took_s = time.monotonic() - begun
                if seen:
                    found.extend(seen)
                    world.stop.set()
                    return
                tell(_progress(payments))

    thread = threading.Thread(target=watch, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _seen(world: World) -> tuple[list[Row], list[str]]:
    """The payments, and what is wrong with them at this moment. While the database lacks a time, what is applied twice
    is wrong, and nothing else can be said."""
    earlier = world.stack.sandbox.ledger()
    payments = world.stack.query(judge.PAYMENTS, timeout_s=0.5)
    ledger = world.stack.sandbox.ledger()
    seen = judge.doubled(ledger) + world.broken
    if not world.lost.is_set():
        seen += judge.strangers(payments, earlier) + judge.always(payments, ledger)
    if not world.lost_ever:
        seen += judge.standing(world.stack)
    return payments, seen


def _progress(payments: Sequence[Row]) -> str:
    counted = Counter(row["state"] for row in payments)
    return "  ".join(f"{state} {counted[state]}" for state in sorted(counted))


def _drained(world: World, tell: Tell) -> list[str]:
    """Wait until everything is final or parked; sentences where it is not in time."""
    world.links.set("*", PASS)
    begun, resumed, nowhere = time.monotonic(), float("-inf"), -1
    payments: list[Row] = []
    try:
        processes.let_go(world)
    except AssertionError as error:
        return [str(error)]
    while time.monotonic() - begun < world.plan.drain_s:
        looked = time.monotonic()
        with suppress(*_AWAY):
            if time.monotonic() - resumed > RESUME_S:
                resumed = time.monotonic()
                _resume(world)
                nowhere = load.again(world)
            payments, seen = _seen(world)
            if seen:
                return seen
            tell(_progress(payments))
            if nowhere == 0 and not judge.open_ones(payments):
                return []
        time.sleep(max(0.5, time.monotonic() - looked))
    return judge.stuck(payments) or [f"{nowhere} intents were never accepted"]


def _resume(world: World) -> None:
    with world.postgres() as connection:
        for name in world.plan.providers:
            lanes.resume(connection, name)  # type: ignore[arg-type]


def _judged(world: World) -> list[str]:
    """The invariants of a product at rest."""
    stack = world.stack
    payments, found = _seen(world)
    ledger, noted = stack.sandbox.ledger(), moves.moves(stack)
    aside = [row["subject"] for row in stack.query("SELECT coalesce(subject, '?') AS subject FROM quarantine")]
    found += judge.sums(payments, ledger) + judge.places(payments, aside, world.upstream)
    found += judge.refunds(payments, ledger)
    found += judge.same_bytes(payments, stack.sandbox.by_reference())
    found += judge.looks(payments, stack.sandbox.requests())
    found += moves.wrong_moves(noted) + judge.disputed(stack)
    # An outcome may come late to a payment that another attempt has ended: its call was cut off, or its session.
    found += _in_time(world, lambda: judge.owing(stack))
    return found + _in_time(world, lambda: judge.events(noted, stack.events(), lost_time=world.lost_ever))


def _in_time(world: World, look: Callable[[], list[str]]) -> list[str]:
    """What is still wrong once what brings it in order had the time for it."""
    end = time.monotonic() + world.plan.drain_s / 2
    while (wrong := look()) and time.monotonic() < end:
        time.sleep(0.5)
    return wrong


def _told(world: World, result: Result) -> None:
    payments = world.stack.query(judge.PAYMENTS)
    counted = Counter(judge.key_of(line) for line in world.stack.sandbox.ledger())
    result.payments, result.states = len(payments), dict(Counter(row["state"] for row in payments))
    result.doubled = sum(count > 1 for count in counted.values())
    result.lost = sum(row["state"] == "succeeded" and not counted[judge.key_of(row)] for row in payments)
    result.parked = dict(Counter(str(row["detail"])[:60] for row in payments if row["state"] == "parked"))
    result.quarantined = world.stack.query("SELECT count(*) AS n FROM quarantine")[0]["n"]
    result.resent = world.stack.query("SELECT count(*) AS n FROM attempts WHERE number > 1")[0]["n"]
    result.events = world.stack.query("SELECT count(*) AS n FROM events")[0]["n"]
    result.struck = dict(world.struck)
