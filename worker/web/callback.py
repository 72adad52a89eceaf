"""ubill's reports of delivery, `GET /callback?key&smsID&number&statusID&date`: an ASGI app, which `web` has among its
routes, and which is all of the process `sms-callback`.

Nothing is stored, and nothing is said about why, unless the key is right. Neither the key nor a number reaches a log.
"""

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Self
from urllib.parse import unquote_to_bytes

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.database.engine import Database
from shared.follow_ups import delivery
from shared.settings import SettingsError
from shared.settings.sections import UbillSettings
from shared.telemetry.logs import get_logger
from worker.web import counts
from worker.web.limits import Work
from worker.web.problems import Problem

log = get_logger(__name__)

PATH = "/callback"
MAX_QUERY = 1024  # bytes
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


@dataclass(frozen=True, eq=False)
class Callback:
    """The ASGI app of this one path. keep: stores a report, in a thread of `work`; raises what the database raises.

    200 `OK` when it is stored, 403 without the right key, 400 for what is malformed, 503 while the database is away
    (the sender may repeat).
    """

    key: bytes = field(repr=False)
    zone: timezone
    work: Work
    keep: Keep

    @classmethod
    def of(cls, settings: UbillSettings, work: Work, database: Callable[[], Database]) -> Self:
        """database: where reports are stored; asked for each. Raises SettingsError when no key is set."""

        def keep(report: Report) -> None:
            delivery.report(database(), report.sms_id, report.number, report.status, report.at)

        return cls.kept_by(settings, work, keep)

    @classmethod
    def kept_by(cls, settings: UbillSettings, work: Work, keep: Keep) -> Self:
        """Raises SettingsError when no key is set."""
        if settings.callback_key is None:
            raise SettingsError("SETTLEPIPE_UBILL__CALLBACK_KEY is not set; set it to the key that ubill sends")
        key = settings.callback_key.get_secret_value().encode()
        return cls(key, timezone(timedelta(hours=settings.utc_offset_h)), work, keep)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = await self._status(scope["method"], scope["query_string"])
        await plain(status)(scope, receive, send)

    async def _status(self, method: str, query: bytes) -> HTTPStatus:
        if method != "GET":
            return HTTPStatus.METHOD_NOT_ALLOWED
        fields = _fields(query)
        # Over bytes: of texts, compare_digest takes ASCII alone.
        if not hmac.compare_digest(fields.get(b"key", b""), self.key):
            counts.not_let_in("callback")
            log.warning("a delivery callback without the right key")
            return HTTPStatus.FORBIDDEN
        report = _report(fields, self.zone)
        if report is None:
            log.warning("a delivery callback that is not as documented")
            return HTTPStatus.BAD_REQUEST
        try:
            await self.work(lambda: self.keep(report))
        except Problem as problem:  # it was logged; ubill may repeat its report
            problem.count()
            return HTTPStatus(problem.status)
        except Exception as error:  # its text may hold what was to be stored
            log.error("a report of delivery could not be stored", reason=type(error).__name__, sms_id=report.sms_id)
            return HTTPStatus.INTERNAL_SERVER_ERROR
        return HTTPStatus.OK


def plain(status: HTTPStatus) -> Response:
    """An answer that says its status and nothing else."""
    headers = {"Allow": "GET"} if status is HTTPStatus.METHOD_NOT_ALLOWED else None
    return Response("OK" if status is HTTPStatus.OK else status.phrase, status, headers, "text/plain")


def _fields(query: bytes) -> dict[bytes, bytes]:
    """The documented fields as bytes; one that is there twice says nothing. Others, that ubill may add one day, are
    ignored; of a query that is too long nothing is read."""
    found: dict[bytes, bytes] = {}
    for pair in query.split(b"&") if len(query) <= MAX_QUERY else ():
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
