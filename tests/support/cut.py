"""A way to PostgreSQL that breaks at a chosen statement: before it arrives, or after it was done and before its answer.

So a test loses a connection at the very point where it would hurt, with a real server behind it.
"""

import contextlib
import dataclasses
import socket
import threading
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from shared.database.engine import Database
from shared.unclaim import LostClaims
from tests.support.flow import World

When = Literal["before", "after"]


class Way:
    """A TCP proxy. `cut` arms one break; everything else passes."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        login = f"{parts.username}:{parts.password}@" if parts.username else ""
        netloc = f"{login}127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = urlunsplit(parts._replace(netloc=netloc))
        self._lock = threading.Lock()
        self._armed: list[tuple[bytes, When]] = []
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, statement: str, when: When, times: int = 1) -> None:
        """Break the next connections over which this text is sent, each once."""
        with self._lock:
            self._armed += [(statement.encode(), when)] * times

    def cut_nothing(self) -> None:
        """Let everything pass from now on."""
        with self._lock:
            self._armed.clear()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """Requests there, answers back; one statement is one message, as psycopg sends it."""
        lost = threading.Event()  # the answer to what is on its way is lost

        def back() -> None:
            with contextlib.suppress(OSError):
                while data := server.recv(65536):
                    if lost.is_set():
                        break
                    client.sendall(data)
            _end(client, server)

        threading.Thread(target=back, daemon=True).start()
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 20):
                when = self._due(data)
                if when == "before":
                    break
                if when == "after":
                    lost.set()
                server.sendall(data)
        if not lost.is_set():
            _end(client, server)

    def _due(self, data: bytes) -> When | None:
        with self._lock:
            for place, (text, when) in enumerate(self._armed):
                if text in data:
                    del self._armed[place]
                    self.cuts += 1
                    return when
        return None


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextlib.contextmanager
def way_of(world: World) -> Iterator[Way]:
    """The world's own process reaches its database through this from now on; the test's own connection does not."""
    way = Way(world.url)
    before, database = world.runtime, Database(way.url)
    world.runtime = dataclasses.replace(before, database=database, lost=LostClaims())
    try:
        yield way
    finally:
        lost, world.runtime = world.runtime.lost, before
        with lost._lock:  # its thread ends
            lost._claims.clear()
        database.dispose()
        way.close()
