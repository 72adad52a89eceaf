"""Threads that ask the servers every two seconds, each one server over one connection of its own.

One that hangs (a server that is frozen) keeps nobody waiting: its last answer grows old, and that is told.
"""

import http.client
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import redis

from shared.database import session, version
from shared.health.state import BROKER, CELERY, DATABASE, PAGES, Health
from shared.messaging import links
from shared.messaging.broker import connect
from shared.settings import broker_address
from shared.settings.sections import BrokerTlsSettings as Tls

EVERY_S = 2.0
AGAIN_S = 0.5  # after an error: a connection that was ended is made anew at once
_ANSWER_S = 3
_FORK_WAIT_S = 1.0

Ask = Callable[[], None]

# One for each server, held while a connection to it is made. A process that is forked meanwhile would have the C
# library's locks of a thread that it does not have.
_connecting = {server: threading.Lock() for server in (DATABASE, BROKER, CELERY)}


def watch(health: Health, server: str, asks: AbstractContextManager[Ask], *, on: Callable[[], bool]) -> None:
    """Ask again and again, in a thread, while `on`. What asks says itself what it saw, or raises."""

    def run() -> None:
        pause = threading.Event()
        with asks as ask:
            while on():
                try:
                    ask()
                except Exception as error:  # whatever a server may do
                    health.missed(server, type(error).__name__)
                    pause.wait(AGAIN_S)
                else:
                    pause.wait(EVERY_S)

    threading.Thread(target=run, name=f"watches-{server}", daemon=True).start()


@contextmanager
def database(health: Health, url: str, *, pooled: bool = False) -> Iterator[Ask]:
    """Asks for the schema's version, the way that this process's statements go."""
    kept: list[psycopg.Connection[object]] = []

    def ask() -> None:
        if not kept:
            with _connecting[DATABASE]:
                if pooled:
                    kept.append(session.connect_pooled(url, "settlepipe health"))
                else:
                    kept.append(session.connect(url, "settlepipe health", statement_s=_ANSWER_S))
        try:
            health.saw(DATABASE, version.look(kept[0]))
        except psycopg.Error:
            kept.pop().close()
            raise

    try:
        yield ask
    finally:
        for connection in kept:
            connection.close()


def broker(health: Health, url: str, tls: Tls) -> AbstractContextManager[Ask]:
    """Asks the broker for a sign of life. Raises SettingsError for what is no broker's URL."""
    return _pings(health, BROKER, connect(url, tls).connection_pool.make_connection())


def queues(health: Health, url: str, tls: Tls) -> AbstractContextManager[Ask]:
    """The same of the one that holds Celery's queues, where that is another one."""
    address = broker_address.read(url, queues_only=True)
    if address.family == broker_address.AMQP:
        from shared.messaging import tasks  # noqa: PLC0415 - Celery is slow to import, and most processes don't need it

        return _opens_channels(health, tasks.celery_app(url, "settlepipe-health", tls).connection_for_read(heartbeat=0))
    return _pings(health, CELERY, links.client(address, tls).connection_pool.make_connection())


@contextmanager
def _opens_channels(health: Health, connection: Any) -> Iterator[Ask]:
    def ask() -> None:
        try:
            with _connecting[CELERY]:
                connection.connect()  # once: it stays
            connection.channel().close()
        except Exception:
            connection.close()
            raise
        health.saw(CELERY)

    try:
        yield ask
    finally:
        connection.close()


@contextmanager
def _pings(health: Health, server: str, connection: Any) -> Iterator[Ask]:
    def ask() -> None:
        with _connecting[server]:
            connection.connect()  # once: it stays
        try:
            connection.send_command("PING", check_health=False)
            connection.read_response()
        except (redis.RedisError, OSError):
            connection.disconnect()
            raise
        health.saw(server)

    try:
        yield ask
    finally:
        connection.disconnect()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of this process's own HTTP server, and what is sent with the request."""

    address: str
    port: int
    path: str
    headers: Mapping[str, str] = field(repr=False)


@contextmanager
def pages(health: Health, page: Page) -> Iterator[Ask]:
    """Asks an HTTP server of this very process, whose loop turns if it answers."""

    def ask() -> None:
        connection = http.client.HTTPConnection(page.address, page.port, timeout=_ANSWER_S)
        try:
            connection.request("GET", page.path, headers=dict(page.headers))
            if connection.getresponse().status != http.HTTPStatus.OK:
                raise http.client.HTTPException
        finally:
            connection.close()
        health.turned()
        health.started()
        health.saw(PAGES)

    yield ask


def quiet_while_forked() -> None:
    """From now on a process is forked only while no thread of these makes a connection, or after a second for each."""
    held: list[threading.Lock] = []

    def before() -> None:
        held.extend(lock for lock in _connecting.values() if lock.acquire(timeout=_FORK_WAIT_S))

    def after() -> None:
        while held:
            held.pop().release()

    os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)
