"""Strikes on PostgreSQL and on the broker: what an owner, a full disk or a busy neighbour does to them."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import redis

from tests.chaos.plan import Draws, Strike
from tests.chaos.world import World
from tests.support.stack import insist

OTHERS = "datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'chaos'"
_CONNECTIONS = 200  # more than the server takes
_OTHER_PASSWORD = "made-up-another"
_PASSED = (psycopg.OperationalError, psycopg.InterfaceError)


@contextmanager
def restart(world: World, strike: Strike) -> Iterator[None]:
    """A fast shutdown: sessions are ended, and the supervisor starts it again."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(world.stack.pids["postgres"], signal.SIGINT)
    yield


@contextmanager
def sessions_ended(world: World, strike: Strike) -> Iterator[None]:
    """Every session of the product is ended, signs of life too."""
    with contextlib.suppress(*_PASSED), world.postgres() as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OTHERS}".encode())
    yield


@contextmanager
def statements_cancelled(world: World, strike: Strike) -> Iterator[None]:
    """Whatever is executed is cancelled, as by a statement time-out of nearly nothing."""
    end = time.monotonic() + strike.length_s
    cancel = f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND {OTHERS}".encode()
    with contextlib.suppress(*_PASSED), world.postgres() as connection:
        while time.monotonic() < end and not world.stop.wait(0.03):
            connection.execute(cancel)
    yield


@contextmanager
def no_connections(world: World, strike: Strike) -> Iterator[None]:
    """Out of connections: others took them all, and the product's own sessions end meanwhile."""
    with ExitStack() as taken, contextlib.suppress(*_PASSED):
        first = taken.enter_context(world.postgres())
        for _ in range(2):
            with contextlib.suppress(psycopg.OperationalError):  # full
                for _ in range(_CONNECTIONS):
                    taken.enter_context(world.postgres())
            first.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OTHERS}".encode())
        yield
        return
    yield


@contextmanager
def read_only(world: World, strike: Strike) -> Iterator[None]:
    """What an owner may set for the whole server: read only, statements of 50 ms, asynchronous commits."""
    values = {"default_transaction_read_only": "on", "statement_timeout": "50ms", "synchronous_commit": "off"}
    world.insist(*(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in values.items()), "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        world.insist(*(f"ALTER SYSTEM RESET {name}" for name in values), "SELECT pg_reload_conf()")


@contextmanager
def locked(world: World, strike: Strike) -> Iterator[None]:
    """Somebody holds a lock on the payments, as a careless migration does."""
    with contextlib.suppress(*_PASSED), world.postgres() as connection, connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '2s'")
        with contextlib.suppress(psycopg.errors.LockNotAvailable):
            connection.execute("LOCK TABLE payments IN EXCLUSIVE MODE")
            world.wait(strike.length_s)
    yield


def _admin(world: World, password: str | None = None) -> "redis.Redis":
    url = world.stack.told["broker_url"]
    if password is not None:
        before, _, after = url.rpartition("@")
        url = f"{before.rpartition(':')[0]}:{password}@{after}"
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)


def _insist(world: World, do: Callable[["redis.Redis"], object], password: str | None = None) -> None:
    def once() -> None:
        with _admin(world, password) as client:
            do(client)

    insist(once, redis.RedisError, 30)


@contextmanager
def flushed(world: World, strike: Strike) -> Iterator[None]:
    """FLUSHALL: every message, every stream, every group."""
    _insist(world, lambda client: client.flushall())
    yield


@contextmanager
def full(world: World, strike: Strike) -> Iterator[None]:
    """No memory left: what needs any is refused."""
    before: list[str] = []

    def fill(client: "redis.Redis") -> None:
        before.append(str(client.config_get("maxmemory")["maxmemory"]))
        client.config_set("maxmemory", 1)

    _insist(world, fill)
    try:
        yield
    finally:
        _insist(world, lambda client: client.config_set("maxmemory", before[0]))


@contextmanager
def paused(world: World, strike: Strike) -> Iterator[None]:
    """CLIENT PAUSE: connected, and silent."""
    _insist(world, lambda client: client.client_pause(int(strike.length_s * 1000)))
    yield


@contextmanager
def password_changed(world: World, strike: Strike) -> Iterator[None]:
    """The password is another one for a while, and everybody has to log in again."""

    def change(client: "redis.Redis") -> None:
        client.config_set("requirepass", _OTHER_PASSWORD)
        client.client_kill_filter(_type="normal", skipme=True)

    right = world.stack.told["broker_url"].rpartition("@")[0].rpartition(":")[2]
    _insist(world, change)
    try:
        yield
    finally:
        _insist(world, lambda client: client.config_set("requirepass", right), _OTHER_PASSWORD)


def _on(server: str, shortest_s: float = 0, longest_s: float = 0) -> Draws:
    return Draws(lambda rng, _: (server, ""), shortest_s, longest_s, rest_s=1)


POSTGRES = {
    "postgres_restart": (_on("postgres"), restart),
    "sessions_ended": (_on("postgres"), sessions_ended),
    "statements_cancelled": (_on("postgres", 1, 2), statements_cancelled),
    "no_connections": (_on("postgres", 2, 4), no_connections),
    "read_only": (_on("postgres", 2, 4), read_only),
    "locked": (_on("postgres", 2, 6), locked),
}
BROKER = {
    "flushed": (_on("valkey"), flushed),
    "full": (_on("valkey", 2, 5), full),
    "paused": (_on("valkey", 2, 6), paused),
    "password_changed": (_on("valkey", 2, 4), password_changed),
}
