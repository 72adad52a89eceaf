"""What comes in and what goes out: a request as the providers see it, an answer, and its bytes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, runtime_checkable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # json.dumps would make one each time
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


@dataclass(slots=True)
class Seen:
    """A request as it came over the wire.

    number: 1 for the first one since the last reset. at: Unix time, seconds. data: the body's JSON object, or None.
    """

    number: int
    at: float
    method: str
    path: str  # below the provider's prefix, without the query
    query: str
    headers: Mapping[str, str]
    body: bytes
    sha256: str
    data: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before a fault touches it.

    extra: further header lines, each ended with CRLF. refused: nothing was done, whatever the status says.
    """

    status: int
    body: bytes = b""
    content_type: bytes = JSON
    extra: bytes = b""
    refused: bool = False


def as_json(data: Any, status: int = 200) -> Reply:
    """`data` as an answer, written like Django's JSON: compact, in UTF-8."""
    return Reply(status, _ENCODER.encode(data).encode())


def detail(status: int, text: str) -> Reply:
    """The providers' way to say no: `{"detail": …}`."""
    return as_json({"detail": text}, status)


def head(reply: Reply) -> bytes:
    """The status line and the headers, with the empty line after them."""
    return b"HTTP/1.1 %d %s\r\nServer: sandbox\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n" % (
        reply.status,
        _REASONS.get(reply.status, b"Unknown"),
        reply.content_type,
        len(reply.body),
        reply.extra,
    )


class Raw(web.StreamResponse):
    """An answer whose bytes are ready: written to the transport as they are.

    aiohttp builds the headers of its own responses anew for each request, which costs more than all that the
    sandbox does. None as payload: nothing is written (any more) and the connection ends.
    """

    def __init__(self, payload: bytes | None) -> None:
        super().__init__()
        self._payload = payload
        self._keep = payload is not None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self._keep = self._keep and request.keep_alive
        if self._payload is not None:
            if request.transport is None:
                raise ConnectionResetError("the client is gone")
            request.transport.write(self._payload)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing: `prepare` wrote all of it."""

    @property
    def keep_alive(self) -> bool:
        return self._keep


class Provider(Protocol):
    """What the server needs of a provider; a new one is a class like this and a line in server.PROVIDERS."""

    name: str
    operations: frozenset[str]
    secret_operations: frozenset[str]  # their bodies are not logged

    @property
    def latency_s(self) -> float:
        """How long every request takes before it is looked at."""
        ...

    def find(self, seen: Seen) -> str | None:
        """The operation that this method and path ask for; None: no such endpoint."""
        ...

    def reference(self, operation: str, seen: Seen) -> str:
        """The caller's id of what is asked for (a payment id); empty where there is none."""
        ...

    def admit(self, operation: str, seen: Seen) -> Reply | None:
        """None when the credentials are right, otherwise the refusal."""
        ...

    def apply(self, operation: str, seen: Seen) -> Reply:
        """Do what is asked, in one go, and write it to the ledger."""
        ...

    def revoke(self, seen: Seen) -> None:
        """The credentials of this request are dead from now on."""
        ...

    def duplicate(self, reference: str) -> Reply:
        """The answer to an id that was applied before."""
        ...

    def refusal(self) -> Reply:
        """The provider's own no, in the form that its document leaves open."""
        ...

    def control(self, what: str, data: Any) -> Any:
        """`POST /control/<name>/<what>`. Raises LookupError for an unknown `what`, ValueError for wrong data."""
        ...

    def reset(self) -> None:
        """As if just started. Issued credentials stay valid."""
        ...


@runtime_checkable
class OwnErrors(Protocol):
    """A provider whose document gives errors another body than `{"detail": …}`."""

    def error(self, seen: Seen, status: int, text: str) -> Reply:
        """That status, in the provider's words."""
        ...
