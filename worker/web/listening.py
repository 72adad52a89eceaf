"""A server in a thread of its own: where it listens, that its loop turns, and how it is told to stop."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from shared import health
from shared.settings import SettingsError
from shared.settings.sections import UbillSettings
from shared.settings.web import WebSettings
from worker.web.server import BACKLOG, server

_TURN_S = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where it listens, and what that is called in the settings: whoever has to correct it reads these names."""

    address: str
    port: int
    cert_file: Path | None
    key_file: Path | None
    address_named: str
    cert_named: str
    trusted_proxies: tuple[str, ...] = ()

    @classmethod
    def of_web(cls, web: WebSettings) -> Self:
        """The HTTP door's."""
        named = "SETTLEPIPE_WEB__ADDRESS and SETTLEPIPE_WEB__PORT", "SETTLEPIPE_WEB__CERT_FILE and …_KEY_FILE"
        return cls(web.address, web.port, web.cert_file, web.key_file, *named, web.trusted_proxies)

    @classmethod
    def of_callback(cls, ubill: UbillSettings) -> Self:
        """That of the receiver of delivery callbacks, where it has one of its own."""
        prefix = "SETTLEPIPE_UBILL__CALLBACK_"
        named = f"{prefix}HOST and {prefix}PORT", f"{prefix}CERT_FILE and …_CERT_KEY_FILE"
        cert, key = ubill.callback_cert_file, ubill.callback_cert_key_file
        return cls(ubill.callback_host, ubill.callback_port, cert, key, *named)


class Listening:
    """Listening from here on, and serving once it is begun."""

    def __init__(self, place: Place, connections: int, app: ASGIApp) -> None:
        """Raises SettingsError where nothing can listen, or for a certificate that can't be used."""
        self._socket = listened(place)
        try:
            certificate = place.cert_file, place.key_file, place.cert_named
            self._server = server(connections, app, *certificate, trusted_proxies=place.trusted_proxies)
        except SettingsError:
            self._socket.close()
            raise
        self._thread = threading.Thread(target=self._run, name="serve", daemon=True)
        self.port: int = self._socket.getsockname()[1]
        self.tls = place.cert_file is not None

    def begin(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def watch(self, stop: threading.Event) -> None:
        """Wait until `stop` is set. Raises RuntimeError where the server ended by itself."""
        while not stop.wait(_TURN_S):
            if not self._thread.is_alive():
                raise RuntimeError("the server ended by itself")

    def end(self) -> None:
        """What is being answered is answered first, within a bound."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        asyncio.run(_served(self._server, self._socket))


async def _served(serves: uvicorn.Server, listening: socket.socket) -> None:
    async with _turning():
        await serves.serve(sockets=[listening])


def listened(place: Place) -> socket.socket:
    """Listening from here on. Raises SettingsError where nothing can."""
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    # With its protocol named asyncio sets TCP_NODELAY; without, each answer would wait 40 ms for the other's kernel.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((place.address, place.port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise SettingsError(
            f"{place.address}:{place.port} can't be listened on ({error.strerror}); correct {place.address_named}"
        ) from None
    return found


@contextlib.asynccontextmanager
async def _turning() -> AsyncIterator[None]:
    """While the loop turns it says so: one that hangs is not alive."""

    async def turn() -> None:
        while True:
            health.turned()
            await asyncio.sleep(_TURN_S)

    task = asyncio.create_task(turn())
    try:
        yield
    finally:
        task.cancel()
