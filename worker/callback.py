"""The process `sms-callback`: the HTTP door with one route, on an address of its own. For who had it before `web` took
delivery callbacks, too, or wants ubill to reach nothing else."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from shared import health, process
from shared.database import chosen
from shared.settings import SettingsError, load_settings
from shared.telemetry.logs import get_logger
from worker.web import counts
from worker.web.callback import PATH, Callback, plain
from worker.web.limits import Work
from worker.web.listening import Listening, Place

log = get_logger(__name__)

HEALTH = "/healthz"
THREADS = 8  # with PostgreSQL at once, each on a connection


def main() -> None:
    """Run until SIGTERM or SIGINT: what is being answered is answered first, within a bound."""
    settings = load_settings()
    stop = process.start("sms-callback", settings)
    database = chosen.database(settings, THREADS, "settlepipe sms-callback")
    web = settings.web
    try:
        callback = Callback.of(settings.ubill, Work(THREADS, web.requests, web.answer_s), lambda: database)
        listening = Listening(Place.of_callback(settings.ubill), web.connections, application(callback))
    except SettingsError as error:
        process.cannot_run(error)
    listening.begin()
    log.info("delivery callbacks are received", port=listening.port, tls=listening.tls)
    try:
        process.patiently(lambda: process.right_servers(settings), stop)  # until then each report is answered with 503
        health.started()
        listening.watch(stop)
    finally:
        listening.end()


def application(callback: ASGIApp) -> ASGIApp:
    """The callback, and whether it listens."""
    routes: Mapping[str, ASGIApp] = {PATH: callback, HEALTH: _listens}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["endpoint"] = routes.get(scope["path"])
        await (scope["endpoint"] or plain(HTTPStatus.NOT_FOUND))(scope, receive, send)

    return counts.counted(app, {endpoint: path for path, endpoint in routes.items()})


async def _listens(scope: Scope, receive: Receive, send: Send) -> None:
    status = HTTPStatus.OK if scope["method"] == "GET" else HTTPStatus.METHOD_NOT_ALLOWED
    await plain(status)(scope, receive, send)


if __name__ == "__main__":
    main()
