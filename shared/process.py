"""What every long-running process does the same way: logs, signals, probes, patience at the start.

The exit statuses of a process that can't run: 2 for its settings, 3 for the database's schema.
"""

import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

import redis

from shared import health, stopping
from shared.database import chosen, session, version
from shared.database.version import WrongSchema
from shared.health.watch import Page
from shared.messaging.broker import connect, must_be_usable
from shared.settings import Settings, SettingsError
from shared.telemetry import traces
from shared.telemetry.logs import bind, configure, get_logger

if TYPE_CHECKING:
    from celery import Celery

T = TypeVar("T")
log = get_logger(__name__)

WRONG_SETTINGS, WRONG_SCHEMA = 2, 3
SIGNALS = (signal.SIGTERM, signal.SIGINT)  # that say stop
_unheard = threading.Event()  # a reload was asked for before anybody could hear it


def start(name: str, settings: Settings) -> threading.Event:
    """Configure logging, answer probes, and return the event that SIGTERM and SIGINT set. The process is gone
    `stopping.SINGLE_S` after the first of them at the latest, whatever it waits for.

    Raises SystemExit where probes can't be answered on the address that is set."""
    configure(settings)
    bind(process=name)
    stop = threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    not_reloaded()
    stopping.bounded(stopping.SINGLE_S)
    traced(name)
    probed(name, settings)
    return stop


def traced(name: str) -> None:
    """From now on this process's spans go to the collector that OpenTelemetry's variables name, if any. Raises
    SystemExit where its packages are not there."""
    if not traces.asked_for() or traces.on():
        return
    try:
        from shared.telemetry.otel import teller  # noqa: PLC0415 - it needs the extra
    except ImportError:
        cannot_run(
            SettingsError(
                "OpenTelemetry's variables are set and its packages are not there: pip install 'settlepipe[traces]', or"
                " unset OTEL_EXPORTER_OTLP_ENDPOINT"
            )
        )
    try:
        traces.told_by(teller(name))
    except (ValueError, TypeError) as error:
        cannot_run(SettingsError(f"OpenTelemetry's variables can't be used: {error}"))


def not_reloaded() -> None:
    """SIGHUP changes nothing here, and ends nothing: what can be reloaded is used by those that call providers. Who
    can reload, and is still starting, asks `unheard_reload` then."""
    signal.signal(signal.SIGHUP, lambda *_: _unheard.set())


def unheard_reload() -> bool:
    """Was a reload asked for since `not_reloaded`?"""
    return _unheard.is_set()


def probed(name: str, settings: Settings, page: Page | None = None) -> None:
    """From now on this process answers probes, where a port is set for them, and announces when it is up.

    page: of a process that serves pages, one of them. Raises SystemExit where it can't."""
    try:
        health.begin(name, settings, page)
    except SettingsError as error:
        cannot_run(error)


def patiently(connect: Callable[[], T], stop: threading.Event) -> T:
    """Call `connect` until it works. Raises SystemExit when told to stop meanwhile, or when the settings or the
    database's schema are wrong: waiting would not mend them."""
    while not stop.is_set():
        health.turned()
        try:
            return connect()
        except SettingsError as error:
            cannot_run(error)
        except WrongSchema as error:
            cannot_run(error, WRONG_SCHEMA)
        except Exception as error:  # whatever a server that is still starting may do
            log.warning("not connected yet; trying again", reason=type(error).__name__)
            stop.wait(0.5)
    raise SystemExit(0)


def cannot_run(error: Exception, status: int = WRONG_SETTINGS) -> NoReturn:
    """End this process: the error's text says why. Raises SystemExit."""
    log.critical("this process can't run", reason=str(error))
    raise SystemExit(status) from None


def right_servers(settings: Settings) -> None:
    """Look whether the database has this code's schema, and the broker is one that can be used, over connections that
    are closed again.

    Raises WrongSchema; SettingsError for a database that can't be used as it is; psycopg.Error when it can't be asked.
    """
    right_broker(settings)
    try:
        with session.connect(chosen.url(settings), "settlepipe looks at the schema") as connection:
            version.require(connection)
            chosen.require_pooler(settings, connection)
    except session.Unusable as error:
        raise SettingsError(str(error)) from None


def right_broker(settings: Settings) -> None:
    """Raises SettingsError where the broker's server can't be used. One that is away is not judged."""
    if settings.broker_url is None:
        return
    with broker(settings) as client:
        must_be_usable(client)


def broker(settings: Settings) -> "redis.Redis":
    """A client of the broker that holds the streams and the bell. Raises SettingsError, also where there is none."""
    return connect(broker_url(settings), settings.broker_tls, settings.broker_key_prefix)


def celery_url(settings: Settings) -> str:
    """Where Celery's queues are. Raises SettingsError when that is nowhere."""
    return settings.celery_url.get_secret_value() if settings.celery_url else broker_url(settings)


def celery(settings: Settings, name: str = "settlepipe") -> "Celery":
    """The Celery app, on the broker that holds its queues. Raises SettingsError."""
    from shared.messaging import tasks  # noqa: PLC0415 - half of the processes never need Celery, which is slow to import

    return tasks.celery_app(celery_url(settings), name, settings.broker_tls, settings.broker_key_prefix)


def broker_url(settings: Settings) -> str:
    """The broker's URL. Raises SettingsError when there is none, as `chosen.url` does."""
    if settings.broker_url is None:
        raise SettingsError("SETTLEPIPE_BROKER_URL is not set; set it, or run the process with `settlepipe up`")
    return settings.broker_url.get_secret_value()
