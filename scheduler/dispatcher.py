"""The dispatcher process: any number may run; each lane is one dispatcher's at a time (its row is locked)."""

import time

import psycopg
import redis
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy.exc import SQLAlchemyError

from shared.flow import notify, release
from shared.flow import runtime as flow_runtime
from shared.flow.dispatch import dispatch
from shared.flow.runtime import Runtime
from shared.messaging import broker, tasks
from shared.settings import load_settings
from shared.store import directory, holds
from shared.telemetry import process
from shared.telemetry.logs import get_logger
from shared.telemetry.ready import announce_ready

log = get_logger(__name__)

_PACE_S = 0.02  # shortest time between two looks: rings that come together are answered by one
_SWEEP_S = 0.5  # how often what is held is looked at
_STALE_COPIES_S = 5.0  # after a list changed, copies of it in processes may still be old; with a wide margin
_SLOW_LOOK_S = 60.0
_AWAY_S = 0.5
_TIDY_S = 0.5  # how often lost leases are taken back and what is overdue is parked
_TIDY_SHARE = 20  # it takes a twentieth of the dispatcher's time at most, however deep a lane's backlog is


class Tidying:
    """When a lane's look also tidies: at a pace, and rarely where it takes long."""

    def __init__(self) -> None:
        self._due_at: dict[str, float] = {}

    def look(self, runtime: Runtime, provider: str, client: "redis.Redis", app: Celery) -> None:
        """One look at one lane, which tidies when it is time to."""
        began = time.monotonic()
        tidy = began >= self._due_at.get(provider, began)
        look(runtime, provider, client, app, tidy=tidy)
        if tidy:
            ended = time.monotonic()
            self._due_at[provider] = ended + max(_TIDY_S, _TIDY_SHARE * (ended - began))


class Releases:
    """Looks at what is held, at a pace; what waits for a list is built again when the list changed.

    Every process keeps a copy of the lists that may be a second old, this one too: so after a change it looks again
    and again for a while. An intent that was held by an old copy after that is found by the slow look.
    """

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], int] = {}
        self._changed_at: dict[str, float] = {}
        self._released_at: dict[str, float] = {}
        self._swept_at = float("-inf")
        self._ended_at = float("-inf")

    def look(self, runtime: Runtime, app: Celery) -> None:
        """Let go what no longer has to wait, and have missing lists fetched."""
        if time.monotonic() - self._swept_at < _SWEEP_S:
            return
        self._swept_at = time.monotonic()
        release.release_refunds(runtime)
        if self._swept_at - self._ended_at >= _SLOW_LOOK_S:
            notify.end_unsendable(runtime)
            self._ended_at = self._swept_at
        with runtime.database.connection() as connection:
            holds.free_invoices(connection)
            versions = directory.versions(connection)
        for provider in runtime.lanes:
            if any(versions[key] != self._versions.get(key) for key in versions if key[0] == provider):
                self._changed_at[provider] = self._swept_at
            if self._due(provider):
                release.release_directory_holds(runtime, provider)
                self._released_at[provider] = self._swept_at
            wanted = release.refresh_wanted(runtime, provider)
            if wanted:
                tasks.publish(app, provider, [(tasks.REFRESH, wanted)])
        self._versions = versions

    def _due(self, provider: str) -> bool:
        never = float("-inf")
        fresh = self._swept_at - self._changed_at.get(provider, never) <= _STALE_COPIES_S
        return fresh or self._swept_at - self._released_at.get(provider, never) >= _SLOW_LOOK_S


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = load_settings()
    stop = process.start("dispatcher", settings)
    url = process.broker_url(settings)
    runtime = process.patiently(lambda: flow_runtime.start(settings, pool_size=2), stop)
    client, app = broker.connect(url), tasks.celery_app(url)
    releases, tidying = Releases(), Tidying()
    announce_ready()
    looked_at = time.monotonic()
    while not stop.is_set():
        try:
            if broker.wait_for_ring(client, settings.dispatch_interval_s):
                stop.wait(max(0.0, _PACE_S - (time.monotonic() - looked_at)))
            looked_at = time.monotonic()
            for provider in runtime.lanes:
                tidying.look(runtime, provider, client, app)
            releases.look(runtime, app)
        except (redis.RedisError, BrokerError, OSError) as error:
            log.warning("the broker does not answer; nothing is lost", reason=type(error).__name__)
            stop.wait(_AWAY_S)
        except (psycopg.Error, SQLAlchemyError) as error:
            log.warning("PostgreSQL does not answer; trying again", reason=type(error).__name__)
            stop.wait(_AWAY_S)


def look(runtime: Runtime, provider: str, client: "redis.Redis", app: Celery, *, tidy: bool = True) -> None:
    """One look at one lane: what is due is dispatched, committed, published."""
    batches = dispatch(runtime, provider, lambda: tasks.queue_length(client, provider), tidy=tidy)
    if batches:
        tasks.publish(app, provider, batches)
        log.debug("dispatched", provider=provider, messages=len(batches))


if __name__ == "__main__":
    main()
