"""The process `web`: `python -m worker.web`. Any number may run; one that is killed takes nothing with it."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator

import uvicorn

from shared import health, process, reload
from shared.runtime import Runtime
from shared.settings import Settings, SettingsError, load_settings
from shared.settings.web import WebSettings
from shared.start import start
from shared.telemetry.logs import get_logger
from worker.web import looking
from worker.web.app import application, limited
from worker.web.door import Door
from worker.web.server import BACKLOG, server

log = get_logger(__name__)

_TURN_S = 1.0


def main() -> None:
    """Run until SIGTERM or SIGINT: what is being answered is answered first, within a bound."""
    settings = load_settings()
    stop = process.start("web", settings)
    door = Door(settings.web)
    try:
        listening, serves = listened(settings.web), server(settings.web, limited(door, application(door)))
    except SettingsError as error:
        process.cannot_run(error)
    serving = threading.Thread(target=_serve, args=(serves, listening), name="serve", daemon=True)
    serving.start()
    log.info("intents are taken by HTTP", port=listening.getsockname()[1], tls=serves.config.is_ssl)
    try:
        door.bell.start(process.broker(settings))
        door.runtime = process.patiently(lambda: _started(settings), stop)  # until then each request gets a 503
        reload.hears(reload.Reload(door.runtime).now)  # decisions and look-ups ask providers from here
        health.started()
        while not stop.wait(_TURN_S):
            if not serving.is_alive():
                raise RuntimeError("the server ended by itself")
    finally:
        door.stopping = serves.should_exit = True
        serving.join()


def listened(settings: WebSettings) -> socket.socket:
    """Listening from here on. Raises SettingsError where nothing can."""
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    # With its protocol named asyncio sets TCP_NODELAY; without, each answer would wait 40 ms for the other's kernel.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((settings.address, settings.port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise SettingsError(
            f"{settings.address}:{settings.port} can't be listened on ({error.strerror}); correct"
            " SETTLEPIPE_WEB__ADDRESS and SETTLEPIPE_WEB__PORT"
        ) from None
    return found


def _started(settings: Settings) -> Runtime:
    """Raises SettingsError also without the key that references are made with: payments are made here."""
    web = settings.web
    runtime = start(settings, pool_size=web.threads + (web.lookup_threads if web.lookups else 0))
    _ = runtime.reference_key
    looking.must_be_there(runtime)
    return runtime


def _serve(serves: uvicorn.Server, listening: socket.socket) -> None:
    async def run() -> None:
        async with _turning():
            await serves.serve(sockets=[listening])

    asyncio.run(run())


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


if __name__ == "__main__":
    main()
