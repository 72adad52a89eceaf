"""What goes wrong, as RFC 9457 has it: `application/problem+json` with a code that does not change."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from shared.domain.codes import Code
from worker.web import counts

MEDIA_TYPE = "application/problem+json"
AGAIN_S = 1  # what Retry-After says where nobody knows better


class Fault(StrEnum):
    """What is wrong with a request, beside what is wrong with an intent (`Code`): name, HTTP status, what it says."""

    status: HTTPStatus
    says: str

    def __new__(cls, name: str, status: HTTPStatus, says: str) -> "Fault":
        fault = str.__new__(cls, name)
        fault._value_ = name
        fault.status, fault.says = status, says
        return fault

    NO_KEY = ("no_key", HTTPStatus.UNAUTHORIZED, "The request has no key, or one that opens nothing.")
    NOT_YOURS = ("not_yours", HTTPStatus.FORBIDDEN, "The key is another source's.")
    NOT_FOUND = ("not_found", HTTPStatus.NOT_FOUND, "There is nothing here.")
    BAD_METHOD = ("bad_method", HTTPStatus.METHOD_NOT_ALLOWED, "This place does not take this method.")
    BODY_LATE = ("body_late", HTTPStatus.REQUEST_TIMEOUT, "The body did not come in time, or not whole.")
    NOT_CANCELLED = ("not_cancelled", HTTPStatus.CONFLICT, "The payment can't be cancelled any more.")
    BODY_TOO_LARGE = ("body_too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body has more bytes than is allowed.")
    TOO_MANY_INTENTS = ("too_many_intents", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The batch has too many intents.")
    ADDRESS_TOO_LONG = ("address_too_long", HTTPStatus.REQUEST_URI_TOO_LONG, "The address has too many bytes.")
    NOT_JSON_BODY = ("not_json_body", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not said to be plain JSON.")
    BAD_BATCH = ("bad_batch", HTTPStatus.BAD_REQUEST, "The body is no list of intents.")
    NOT_HTTP = ("not_http", HTTPStatus.BAD_REQUEST, "What came is not HTTP/1.1 as it has to be.")
    BAD_PARAMETER = ("bad_parameter", HTTPStatus.UNPROCESSABLE_ENTITY, "A parameter is not of its form.")
    KEY_MISMATCH = ("key_mismatch", HTTPStatus.UNPROCESSABLE_ENTITY, "Idempotency-Key is not the intent's id.")
    TOO_FAST = ("too_fast", HTTPStatus.TOO_MANY_REQUESTS, "This source asks for more than it may in a second.")
    HEAD_TOO_LARGE = (
        "head_too_large",
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "The request's line and headers have more bytes than is allowed.",
    )
    DEFECT = ("defect", HTTPStatus.INTERNAL_SERVER_ERROR, "A mistake in settlepipe; it is not known what was done.")
    BUSY = ("busy", HTTPStatus.SERVICE_UNAVAILABLE, "Too much is under way here; nothing was done.")
    TOO_MANY_STREAMS = ("too_many_streams", HTTPStatus.SERVICE_UNAVAILABLE, "Too many streams of events are open.")
    DATABASE_AWAY = (
        "database_away",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "PostgreSQL did not answer. What was asked for may have been done; ask again, under the same id.",
    )
    LOOKUP_FAILED = ("lookup_failed", HTTPStatus.BAD_GATEWAY, "The provider gave no answer that can be used.")
    PROVIDER_AWAY = ("provider_away", HTTPStatus.SERVICE_UNAVAILABLE, "The provider did not answer in time.")
    STORE_HELD = ("store_held", HTTPStatus.SERVICE_UNAVAILABLE, "The store is held: nothing is accepted or decided.")
    STARTING = ("starting", HTTPStatus.SERVICE_UNAVAILABLE, "This process is not set up yet.")


# What says that there is too much of something.
_BOUNDS = frozenset(
    {
        *(Fault.BODY_LATE, Fault.BODY_TOO_LARGE, Fault.TOO_MANY_INTENTS, Fault.ADDRESS_TOO_LONG, Fault.HEAD_TOO_LARGE),
        *(Fault.TOO_FAST, Fault.BUSY, Fault.TOO_MANY_STREAMS),
    }
)

# A code of an intent's that is no 422.
_OF_CODE = {
    Code.NOT_JSON: HTTPStatus.BAD_REQUEST,
    Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.ID_CONFLICT: HTTPStatus.CONFLICT,
    Code.BEHIND_ANOTHER: HTTPStatus.CONFLICT,
    Code.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """Answered as it stands. more: members beside RFC 9457's own."""

    def __init__(
        self,
        fault: Fault | Code,
        detail: str | None = None,
        *,
        retry_after_s: int | None = None,
        **more: Any,
    ) -> None:
        super().__init__(fault)
        self.status = int(
            fault.status if isinstance(fault, Fault) else _OF_CODE.get(fault, HTTPStatus.UNPROCESSABLE_ENTITY)
        )
        title = fault.says if isinstance(fault, Fault) else fault.meaning
        self.retry_after_s = retry_after_s
        if retry_after_s is None and self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.retry_after_s = AGAIN_S
        self.document: Mapping[str, Any] = {
            "type": f"urn:settlepipe:problem:{fault}",
            "title": title,
            "status": self.status,
            "code": str(fault),
            **({} if detail is None else {"detail": detail}),
            **more,
        }

    @property
    def headers(self) -> dict[str, str]:
        """Those that belong to it."""
        found = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        if self.status == HTTPStatus.UNAUTHORIZED:
            found["WWW-Authenticate"] = 'Bearer realm="settlepipe"'
        if self.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
            found["Connection"] = "close"  # what is left of the body is not read
        return found

    def count(self) -> None:
        """It is answered: where that was a limit, one more met it."""
        if self.document["code"] in _BOUNDS:
            counts.refused(self.document["code"])

    def response(self) -> Response:
        """The answer, counted."""
        self.count()
        body = json.dumps(self.document, ensure_ascii=False).encode()
        return Response(body, self.status, self.headers, MEDIA_TYPE)


def bad_parameter(errors: Sequence[Mapping[str, Any]], outer: int = 0) -> Problem:
    """Of pydantic's errors. outer: parts of their places that name no field of the caller's."""
    mistakes = [
        {"code": "bad_field", "place": ".".join(map(str, one["loc"][outer:])), "detail": one["msg"]} for one in errors
    ]
    return Problem(Fault.BAD_PARAMETER, mistakes=mistakes)
