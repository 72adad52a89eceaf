"""The process `sms-callback`: takes ubill's reports of delivery, `GET /callback?key&smsID&number&statusID&date`.

Nothing is stored, and nothing is said about why, unless the key is right. Neither the key nor a number reaches a log.
"""

import hmac
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from shared import health, process
from shared.database.engine import AWAY
from shared.follow_ups import delivery
from shared.settings import SettingsError, load_settings
from shared.settings.sections import UbillSettings
from shared.telemetry.logs import get_logger
from worker.callback_server import THREADS, callback_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

log = get_logger(__name__)

PATH, HEALTH = "/callback", "/healthz"
MAX_QUERY = 1024  # characters
_NAMES = (b"key", b"smsID", b"number", b"statusID", b"date")
_FORMS: Mapping[bytes, re.Pattern[bytes]] = {
    b"smsID": re.compile(rb"[0-9]{1,20}"),
    b"number": re.compile(rb"[0-9]{5,20}"),
    b"statusID": re.compile(rb"[0-4]"),
    b"date": re.compile(rb"20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}"),
}


@dataclass(frozen=True, slots=True)
class Report:
    """One report as it came, checked. at: aware."""

    sms_id: str
    number: str = field(repr=False)
    status: int
    at: datetime


Keep = Callable[[Report], None]


def main() -> None:
    """Run until SIGTERM or SIGINT: what is being answered is answered first."""
    settings = load_settings()
    stop = process.start("sms-callback", settings)
    database = process.database(settings, THREADS, "settlepipe sms-callback")

    def keep(report: Report) -> None:
        delivery.report(database, report.sms_id, report.number, report.status, report.at)

    server = callback_server(settings.ubill, application(settings.ubill, keep))
    server.prepare()  # it listens from here on
    serving = threading.Thread(target=server.serve, name="serve", daemon=True)
    serving.start()
    log.info("delivery callbacks are received", port=server.bind_addr[1], tls=server.ssl_adapter is not None)
    try:
        process.patiently(lambda: process.right_servers(settings), stop)  # until then each report is answered with 503
        health.started()
        while not stop.wait(1):
            health.turned()
            if not serving.is_alive():
                raise RuntimeError("the server ended by itself")
    finally:
        server.stop()


def application(settings: UbillSettings, keep: Keep) -> "WSGIApplication":
    """The WSGI app. keep: stores a report; raises what the database raises.

    200 `OK` when it is stored, 403 without the right key, 400 for what is malformed, 503 while the database is away
    (the sender may repeat). Raises SettingsError when no key is set.
    """
    if settings.callback_key is None:
        raise SettingsError("SETTLEPIPE_UBILL__CALLBACK_KEY is not set; set it to the key that ubill sends")
    key = settings.callback_key.get_secret_value().encode()
    zone = timezone(timedelta(hours=settings.utc_offset_h))

    def app(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        status = _route(environ, key, zone, keep)
        body = b"OK" if status is HTTPStatus.OK else status.phrase.encode()
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    return app


def _route(environ: Mapping[str, Any], key: bytes, zone: timezone, keep: Keep) -> HTTPStatus:
    if environ["PATH_INFO"] not in (PATH, HEALTH):
        return HTTPStatus.NOT_FOUND
    if environ["REQUEST_METHOD"] != "GET":
        return HTTPStatus.METHOD_NOT_ALLOWED
    if environ["PATH_INFO"] == HEALTH:
        return HTTPStatus.OK
    fields = _fields(environ.get("QUERY_STRING", ""))
    # Over bytes: of texts, compare_digest takes ASCII alone.
    if not hmac.compare_digest(fields.get(b"key", b""), key):
        log.warning("a delivery callback without the right key")
        return HTTPStatus.FORBIDDEN
    report = _report(fields, zone)
    if report is None:
        log.warning("a delivery callback that is not as documented")
        return HTTPStatus.BAD_REQUEST
    return _kept(report, keep)


def _kept(report: Report, keep: Keep) -> HTTPStatus:
    try:
        keep(report)
    except AWAY as error:
        log.warning("PostgreSQL does not answer; ubill may repeat its report", reason=type(error).__name__)
        return HTTPStatus.SERVICE_UNAVAILABLE
    except Exception as error:  # its text may hold what was to be stored
        log.error("a report of delivery could not be stored", reason=type(error).__name__, sms_id=report.sms_id)
        return HTTPStatus.INTERNAL_SERVER_ERROR
    return HTTPStatus.OK


def _fields(query: str) -> dict[bytes, bytes]:
    """The documented fields as bytes; one that is there twice says nothing. Others, that ubill may add one day, are
    ignored; of a query that is too long nothing is read."""
    found: dict[bytes, bytes] = {}
    for pair in query.encode("latin-1").split(b"&") if len(query) <= MAX_QUERY else ():
        name, _, value = pair.partition(b"=")
        if name in _NAMES:
            found[name] = b"" if name in found else unquote_to_bytes(value.replace(b"+", b" "))
    return found


def _report(fields: Mapping[bytes, bytes], zone: timezone) -> Report | None:
    if not all(form.fullmatch(fields.get(name, b"")) for name, form in _FORMS.items()):
        return None
    text = {name: value.decode() for name, value in fields.items() if name in _FORMS}
    try:
        at = datetime.strptime(text[b"date"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone)
    except ValueError:  # no such day
        return None
    return Report(text[b"smsID"], text[b"number"], int(text[b"statusID"]), at)


if __name__ == "__main__":
    main()
