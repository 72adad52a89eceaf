"""ways: how an alert reaches people. Each sends a batch once, within its limit, and says why it could not."""

import base64
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from functools import partial
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from shared.alerts import words
from shared.alerts.words import Word
from shared.messaging import mail
from shared.providers.http import Http
from shared.providers.raw_answers import HttpFault
from shared.settings.alerting import AlertSettings
from shared.settings.sections import HttpSettings

_MAX_ANSWER_BYTES = 65_536
_REPEAT_S = 60.0  # Alertmanager forgets what nobody repeats
_FORGETS_CAP_S = 120.0  # one that was away for a while must hear of it again before it takes it for ended


class Untold(Exception):  # noqa: N818 - says what happened
    """The receiver did not take it. The message says why; it holds no secret."""


# What is told, and the database's clock; what the receiver answered, in a few words. Raises Untold.
Send = Callable[[Sequence[Word], datetime], str]


@dataclass(frozen=True, slots=True)
class Way:
    """repeat_s: what stands is sent anew after so long; None: once, and when there is more of it.

    limit_s: how long a sending may take. cap_s: the longest wait after one that failed. test: of a test alert.
    """

    name: str
    send: Send
    test: Send
    limit_s: float
    repeat_s: float | None = None
    cap_s: float = math.inf


def ways(settings: AlertSettings) -> Mapping[str, Way]:
    """Those that are set, by name."""
    limit_s = settings.send_timeout_s
    found: list[Way] = []
    if settings.webhook_url is not None:
        post = _poster(settings.webhook_url, "", limit_s)
        found.append(Way("webhook", partial(_plain, post, test=False), partial(_plain, post, test=True), limit_s))
    if settings.alertmanager_url is not None:
        push = partial(_alertmanager, _poster(settings.alertmanager_url, "/api/v2/alerts", limit_s))
        found.append(Way("alertmanager", push, push, limit_s, _REPEAT_S, _FORGETS_CAP_S))
    if settings.mail.host:
        by_mail = partial(_mail, settings)
        found.append(Way("mail", partial(by_mail, test=False), partial(by_mail, test=True), limit_s))
    return {way.name: way for way in found}


def _plain(post: Callable[[bytes], str], told: Sequence[Word], _now: datetime, *, test: bool) -> str:
    return post(words.plain_json(told, test=test))


def _alertmanager(post: Callable[[bytes], str], told: Sequence[Word], now: datetime) -> str:
    return post(words.alertmanager_json(told, now))


def _poster(url: SecretStr, path: str, limit_s: float) -> Callable[[bytes], str]:
    """A POST of JSON there; what it answered. The log-in in the URL goes into a header."""
    parts = urlsplit(url.get_secret_value())
    where, query = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", f"?{parts.query}" if parts.query else ""
    headers: dict[str, str] = {}
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    limits = HttpSettings(connect_timeout_s=limit_s, total_timeout_s=limit_s, max_body_bytes=_MAX_ANSWER_BYTES)
    http, path = Http(where, limits), f"{parts.path.rstrip('/') if path else parts.path or '/'}{path}{query}"

    def post(body: bytes) -> str:
        answer = http.call("POST", path, headers=headers, body=body)
        if isinstance(answer, HttpFault):
            raise Untold(f"no answer: {answer.kind} ({answer.detail})")
        if not 200 <= answer.status <= 299:
            raise Untold(f"it answered {answer.status}")
        return f"it answered {answer.status}"

    return post


def _mail(settings: AlertSettings, told: Sequence[Word], _now: datetime, *, test: bool) -> str:
    to = settings.mail
    written = EmailMessage()
    written["Subject"] = words.subject_line(told, test=test)
    written["From"], written["To"], written["Date"] = to.sender, to.to, formatdate(localtime=True)
    text, domain = words.text(told), parseaddr(to.sender)[1].rpartition("@")[2]
    # The same on a repeat: mail programs show it once.
    name = hashlib.sha256(f"{written['Subject']}\n{text}".encode()).hexdigest()[:32]
    written["Message-ID"] = f"<settlepipe.alerts.{name}@{domain}>"
    written["Auto-Submitted"] = "auto-generated"
    written.set_content(text)
    try:
        refused = mail.send(to.url, written, to.sender, to.recipients, settings.send_timeout_s)
    except mail.Unsent as error:
        raise Untold(str(error)) from None
    return f"the server took it{f', but refused {refused} of the recipients' if refused else ''}"
