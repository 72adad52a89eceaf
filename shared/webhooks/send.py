"""send: one event to one receiver, once, within its limit."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import SplitResult

from shared.domain import webhooks
from shared.domain.webhooks import Attempt
from shared.messaging.events_stream import cloud_event
from shared.providers.http import Http
from shared.providers.raw_answers import HttpFault
from shared.settings.sections import HttpSettings
from shared.settings.webhooks import WebhookSettings
from shared.webhooks import sign

TEST = "settlepipe.webhook.test"  # the type of what `webhooks test` posts; no other way has it


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver's URL, and who connects to it. Thread-safe."""

    http: Http
    path: str

    def post(self, event_id: str, body: bytes, signed_by: Sequence[str]) -> Attempt:
        """Post it, signed by each of these secrets. Raises nothing for what the network or the receiver does."""
        given = sign.headers(event_id, body, signed_by, datetime.now(UTC))
        answer = self.http.call("POST", self.path, headers=given, body=body, whole=False)
        if isinstance(answer, HttpFault):
            return webhooks.unanswered(answer.kind, answer.detail)
        self.http.keep(answer)
        return webhooks.answered(answer.status, answer.retry_after_s)


def receiver(url: str, settings: WebhookSettings) -> Receiver:
    """Whoever is at this URL. Its name is resolved once for each connection, which goes to an address that may be
    reached or nowhere. Raises ValueError for a URL that is not allowed (any more)."""
    parts = webhooks.right_url(url, allow_http=settings.allow_http, networks=settings.allow_networks)
    allows = partial(webhooks.reachable, networks=settings.allow_networks)
    limits = HttpSettings(
        connect_timeout_s=settings.connect_timeout_s,
        total_timeout_s=settings.timeout_s,
        max_body_bytes=settings.answer_bytes,
    )
    ca_file = str(settings.ca_file) if settings.ca_file else None
    return Receiver(Http(f"{parts.scheme}://{parts.netloc}", limits, ca_file=ca_file, allows=allows), _path(parts))


def told(event: Mapping[str, Any]) -> bytes:
    """What is posted of an event: the same bytes with each try."""
    return cloud_event(event).encode()


def _path(parts: SplitResult) -> str:
    return f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"


def test_event(source: str, number: int) -> tuple[str, bytes]:
    """An event that says nothing but that events come: its id, and what is posted of it."""
    event_id = f"test-{secrets.token_hex(8)}"
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/settlepipe",
        "type": TEST,
        "subject": f"{source}/-",
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {"webhook": number},
    }
    return event_id, json.dumps(event, ensure_ascii=False).encode()
