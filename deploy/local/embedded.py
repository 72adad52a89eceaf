"""The embedded servers: PostgreSQL and Valkey, for each whose URL is not set."""

import contextlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local import children, postgres, valkey
from deploy.local.children import Child, Started
from deploy.local.home import kept_or_chosen, locked, prepare, with_free_port
from deploy.local.kept import Kept, LocalError
from shared.messaging import links
from shared.settings import Settings, broker_address

START_TIMEOUT_S = 120
LEFTOVER_WAIT_S = 45


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers are, embedded or not."""

    database_url: str
    broker_url: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be started: nothing for a server whose URL is set."""

    kept: Kept
    servers: Servers
    children: tuple[Child, ...]


@contextlib.contextmanager
def planned(home: Path, settings: Settings, postgres_options: Sequence[str] = ()) -> Iterator[Plan]:
    """Prepare HOME and say which servers to start, holding their lock until the end. The caller holds HOME's lock.

    The lock is inherited by the servers, so it can only be had when those of an earlier run are gone.

    Raises LocalError; SettingsError for files of TLS that can't be used: each process would end with it.
    """
    for url in filter(None, (settings.broker_url, settings.celery_url)):
        links.celery(broker_address.read(url.get_secret_value(), queues_only=True), settings.broker_tls)
    children.stop_leftovers(home)
    with locked(
        home / "servers.lock",
        LEFTOVER_WAIT_S,
        f"the servers of an earlier run on {home} don't stop; see {home}/logs and stop them by hand",
    ) as lock:
        kept = kept_or_chosen(home)
        started: list[Child] = []
        if settings.database_url is None:
            kept = with_free_port(home, kept, "postgres_port")
            started.append(postgres.child(home, kept, lock.fileno(), postgres_options))
        if settings.broker_url is None:
            kept = with_free_port(home, kept, "valkey_port")
            started.append(valkey.child(home, kept, lock.fileno()))
        database_url = settings.database_url.get_secret_value() if settings.database_url else kept.database_url
        broker_url = settings.broker_url.get_secret_value() if settings.broker_url else kept.broker_url
        yield Plan(kept, Servers(database_url, broker_url), tuple(started))


@contextlib.contextmanager
def embedded_servers(home: Path, settings: Settings, postgres_options: Sequence[str] = ()) -> Iterator[Servers]:
    """Run the servers for the length of the block, unwatched: one that dies stays dead (`up` restarts them).

    Call it from the main thread. Raises LocalError.
    """
    home = prepare(home)
    with locked(home / "up.lock", 0, already_running(home)), planned(home, settings, postgres_options) as plan:
        running: list[Started] = []
        try:
            for child in plan.children:
                children.rotate(child.log)
                running.append(children.start(child))
            for started in running:
                wait_ready(started)
            if settings.database_url is None:
                postgres.ensure_database(plan.kept)
            yield plan.servers
        finally:
            for started in reversed(running):
                stop(started)


def already_running(home: Path) -> str:
    """The sentence for somebody who starts a second stack on the same folder."""
    return f"a stack is running on {home} already; stop it first, or set SETTLEPIPE_HOME to another folder"


def wait_ready(started: Started, timeout_s: float = START_TIMEOUT_S) -> None:
    """Return when the child is up. Raises LocalError when it ended or took too long."""
    deadline = time.monotonic() + timeout_s
    while not started.look():
        status = started.process.poll()
        if status is not None:
            raise LocalError(f"{started.child.name} ended with status {status}; see {started.child.log}")
        if time.monotonic() > deadline:
            raise LocalError(f"{started.child.name} was not up within {timeout_s:.0f} s; see {started.child.log}")
        time.sleep(0.02)


def stop(started: Started) -> None:
    """Stop one child: each of its stop signals for its grace, then SIGKILL."""
    step = 0
    while children.ask_to_stop(started, step):
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.process.wait(started.child.grace_s)
        step += 1
    started.forget()
