"""The process `web`: `python -m worker.web`. Any number may run; one that is killed takes nothing with it."""

from shared import health, process, reload
from shared.runtime import Runtime
from shared.settings import Settings, SettingsError, load_settings
from shared.start import start
from shared.telemetry.logs import get_logger
from worker.web import looking
from worker.web.app import served
from worker.web.callback import Callback
from worker.web.door import Door
from worker.web.listening import Listening, Place

log = get_logger(__name__)


def main() -> None:
    """Run until SIGTERM or SIGINT: what is being answered is answered first, within a bound."""
    settings = load_settings()
    stop = process.start("web", settings)
    door = Door(settings.web, settings.broker_key_prefix)
    takes_callbacks = settings.ubill.callback_key is not None
    callback = Callback.of(settings.ubill, door.work, lambda: door.ready.database) if takes_callbacks else None
    try:
        listening = Listening(Place.of_web(settings.web), settings.web.connections, served(door, callback))
    except SettingsError as error:
        process.cannot_run(error)
    listening.begin()
    log.info("intents are taken by HTTP", port=listening.port, tls=listening.tls, callbacks=takes_callbacks)
    try:
        door.bell.start(process.broker(settings))
        door.runtime = process.patiently(lambda: _started(settings), stop)  # until then each request gets a 503
        reload.hears(reload.Reload(door.runtime).now)  # decisions and look-ups ask providers from here
        health.started()
        listening.watch(stop)
    finally:
        door.stopping = True
        listening.end()


def _started(settings: Settings) -> Runtime:
    """Raises SettingsError also without the key that references are made with: payments are made here."""
    web = settings.web
    runtime = start(settings, pool_size=web.threads + (web.lookup_threads if web.lookups else 0))
    _ = runtime.reference_key
    looking.must_be_there(runtime)
    return runtime


if __name__ == "__main__":
    main()
