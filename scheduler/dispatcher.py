"""The dispatcher process: any number may run; each lane is one dispatcher's at a time (its row is locked).

Each lane and each sweep stands by itself: a queue that can't be written, a statement that fails, a defect in one of
them is said and tried again, and the others go on.
"""

import threading
import time
from collections.abc import Collection
from functools import partial

import redis
from celery import Celery

from scheduler import judging, telling
from scheduler.apart import Apart, told
from scheduler.turns import Turns
from shared import health, process
from shared.directory import views
from shared.follow_ups import ask
from shared.messaging import broker, tasks
from shared.payments import release
from shared.payments.dispatch import Looked, dispatch
from shared.recovery import beat
from shared.runtime import Runtime
from shared.settings import load_settings
from shared.start import start
from shared.telemetry import counters
from shared.telemetry.logs import get_logger
from shared.witness import Witnesses

log = get_logger(__name__)

_LEAST_WAIT_S = 0.001  # the broker takes 0 for as long as it lasts
_SWEEP_S = 0.5  # how often what is held is looked at
_STALE_COPIES_S = 5.0  # after a list changed, copies of it in processes may still be old; with a wide margin
_SLOW_LOOK_S = 60.0
_SAY_EVERY_S = 300.0
_TIDY_S = 0.5  # how often lost leases are taken back and what is overdue is parked
_TIDY_SHARE = 20  # it takes a twentieth of the dispatcher's time at most, however deep a lane's backlog is


class Heart:
    """Has the database judged once a second. What it said last counts meanwhile: claims look for themselves."""

    def __init__(self) -> None:
        self._due_at, self._open = 0.0, False

    def beats(self, runtime: Runtime, witnesses: Witnesses, apart: Apart) -> bool:
        """May the flow go on?"""
        now = time.monotonic()
        if now >= self._due_at:
            self._due_at = now + beat.EVERY_S
            self._open = False
            apart.run("judge the database", partial(self._judge, runtime, witnesses))
        return self._open

    def _judge(self, runtime: Runtime, witnesses: Witnesses) -> None:
        self._open = beat.beat(runtime, witnesses)


class Looks:
    """Looks at lanes, each in its turn. A look also tidies at a pace, and rarely where that takes long."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._due_at: dict[str, float] = {}

    def look(self, runtime: Runtime, provider: str, app: Celery) -> None:
        """One look at one lane, which tidies when it is time to."""
        began = time.monotonic()
        tidy = began >= self._due_at.get(provider, began)
        found = look(runtime, provider, app, tidy=tidy)
        if tidy:
            ended = time.monotonic()
            self._due_at[provider] = ended + max(_TIDY_S, _TIDY_SHARE * (ended - began))
        rated = runtime.settings.provider(provider).rate_per_s is not None
        self._turns.looked(provider, found, rated=rated)


class Releases:
    """Looks at what is held, at a pace; what waits for a list is built again when the list changed.

    Every process keeps a copy of the lists that may be a second old, this one too: so after a change it looks again
    and again for a while. An intent that was held by an old copy after that is found by the slow look.
    """

    def __init__(self, apart: Apart | None = None) -> None:
        self._versions: dict[tuple[str, str], int] = {}
        self._changed_at: dict[str, float] = {}
        self._released_at: dict[str, float] = {}
        self._swept_at = float("-inf")
        self._ended_at = float("-inf")
        self._refunds_after = 0
        self._apart = apart or Apart()

    def look(self, runtime: Runtime, app: Celery) -> None:
        """Let go what no longer has to wait, and have missing lists fetched. Each step by itself: none raises."""
        if time.monotonic() - self._swept_at < _SWEEP_S:
            return
        self._swept_at = time.monotonic()
        self._apart.run("release refunds", partial(self._refunds, runtime))
        if self._swept_at - self._ended_at >= _SLOW_LOOK_S and self._apart.run(
            "end what can't be sent", partial(ask.end_unsendable, runtime)
        ):
            self._ended_at = self._swept_at
        self._apart.run("free invoices", partial(release.free_invoices, runtime))
        self._apart.run("look at the lists", partial(self._changed, runtime))
        for provider in runtime.lanes:
            self._apart.run(f"release {provider}", partial(self._lists, runtime, provider), provider=provider)
            self._apart.run(f"refresh {provider}", partial(_refresh, runtime, app, provider), provider=provider)

    def _refunds(self, runtime: Runtime) -> None:
        """One page of them a look, so that those that can't go out don't keep the others from their turn."""
        after, self._refunds_after = self._refunds_after, 0  # a page that fails is not begun with again
        self._refunds_after = release.release_some_refunds(runtime, after).last or 0

    def _changed(self, runtime: Runtime) -> None:
        with runtime.database.connection() as connection:
            versions = views.versions(connection)
        for key in versions:
            if versions[key] != self._versions.get(key):
                self._changed_at[key[0]] = self._swept_at
        self._versions = versions

    def _lists(self, runtime: Runtime, provider: str) -> None:
        if self._due(provider):
            release.release_directory_holds(runtime, provider)
            self._released_at[provider] = self._swept_at

    def _due(self, provider: str) -> bool:
        never = float("-inf")
        fresh = self._swept_at - self._changed_at.get(provider, never) <= _STALE_COPIES_S
        return fresh or self._swept_at - self._released_at.get(provider, never) >= _SLOW_LOOK_S


def _refresh(runtime: Runtime, app: Celery, provider: str) -> None:
    wanted = release.refresh_wanted(runtime, provider)
    if wanted:
        tasks.publish(app, provider, [(tasks.REFRESH, wanted)])


class Bell:
    """The doorbell. One that can't be heard is no bell: each lane has its turn all the same."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._deaf, self._say_at = False, 0.0

    def wait(self, stop: threading.Event, most_s: float) -> Collection[str]:
        """Wait until somebody rings, at most so long; for which lanes (`broker.wait_for_ring`)."""
        wait_s = max(_LEAST_WAIT_S, most_s)
        try:
            rung = broker.wait_for_ring(self._client, wait_s)
        except (redis.RedisError, OSError) as error:
            if time.monotonic() >= self._say_at:
                log.warning("the bell can't be heard; the lanes are looked at all the same", reason=told(error))
                self._say_at = time.monotonic() + _SAY_EVERY_S
            self._deaf = True
            stop.wait(wait_s)
            return ()
        if self._deaf:
            log.info("the bell is heard again")
        self._deaf, self._say_at = False, 0.0
        return rung


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = load_settings()
    stop = process.start("dispatcher", settings)
    client, app = process.broker(settings), process.celery(settings)
    runtime = process.patiently(lambda: start(settings, pool_size=2), stop)
    witnesses, heart = Witnesses(settings.home, client), Heart()
    apart = Apart()
    turns = Turns(runtime.lanes, settings.dispatch_interval_s)
    bell, releases, looks = Bell(client), Releases(apart), Looks(turns)
    judging.begin(runtime, stop)
    telling.begin(runtime, stop)
    health.started()
    while not stop.is_set():
        health.turned()
        turns.ring(bell.wait(stop, turns.wait_s))
        due = turns.begin()
        if not heart.beats(runtime, witnesses, apart):
            continue
        for provider in due:
            step = partial(looks.look, runtime, provider, app)
            apart.run(f"dispatch {provider}", step, provider=provider)
        releases.look(runtime, app)


def look(runtime: Runtime, provider: str, app: Celery, *, tidy: bool = True) -> Looked:
    """One look at one lane: what is due is dispatched, committed, published."""
    found = dispatch(runtime, provider, lambda: tasks.queue_length(app, provider), tidy=tidy)
    if found.messages:
        tasks.publish(app, provider, found.messages)
        log.debug("dispatched", provider=provider, messages=len(found.messages))
        for task, names in found.messages:
            counters.dispatched(provider, task.rpartition(".")[2], len(names))
    return found


if __name__ == "__main__":
    main()
