"""What every long-running process does the same way: logs, signals, patience at the start."""

import signal
import threading
from collections.abc import Callable
from typing import TypeVar

from shared import stopping
from shared.settings import Settings, SettingsError
from shared.telemetry.logs import bind, configure, get_logger

T = TypeVar("T")
log = get_logger(__name__)


def start(name: str, settings: Settings) -> threading.Event:
    """Configure logging and return the event that SIGTERM and SIGINT set. The process is gone `stopping.SINGLE_S` after
    the first of them at the latest, whatever it waits for."""
    configure(settings)
    bind(process=name)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stopping.bounded(stopping.SINGLE_S)
    return stop


def patiently(connect: Callable[[], T], stop: threading.Event) -> T:
    """Call `connect` until it works. Raises SystemExit when told to stop meanwhile, or when the settings are wrong:
    waiting would not mend them."""
    while not stop.is_set():
        try:
            return connect()
        except SettingsError as error:
            log.critical("this process can't run", reason=str(error))
            raise SystemExit(1) from None
        except Exception as error:  # whatever a server that is still starting may do
            log.warning("not connected yet; trying again", reason=type(error).__name__)
            stop.wait(0.5)
    raise SystemExit(0)


def database_url(settings: Settings) -> str:
    """The database's URL. Raises SettingsError when there is none: `settlepipe up` sets it for its processes."""
    if settings.database_url is None:
        raise SettingsError("SETTLEPIPE_DATABASE_URL is not set; set it, or run the process with `settlepipe up`")
    return settings.database_url.get_secret_value()


def broker_url(settings: Settings) -> str:
    """The broker's URL. Raises SettingsError when there is none, as `database_url` does."""
    if settings.broker_url is None:
        raise SettingsError("SETTLEPIPE_BROKER_URL is not set; set it, or run the process with `settlepipe up`")
    return settings.broker_url.get_secret_value()
