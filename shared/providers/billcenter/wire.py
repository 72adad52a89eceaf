"""billcenter's answers as data: every kind, and what it means for each operation. Pure.

Rules and traps are named in the README beside this file.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from shared.domain.answers import Answer, Meaning
from shared.domain.payment import Operation
from shared.providers.billcenter.bodies import RECEIPT
from shared.providers.outcomes import Fault, HttpAnswer, HttpFault, parse_json


class Kind(StrEnum):
    """Every kind of answer; the table has a meaning for each, for each operation."""

    OK_EMPTY = "ok_empty"
    OK_DETAIL = "ok_detail"  # 200, an object with a text `detail`
    OK_RECEIPT = "ok_receipt"  # 200, an object with a receipt's fields
    OK_OBJECT = "ok_object"  # 200, any other object
    OK_OTHER = "ok_other"  # 200 with a list, HTML, half a document
    REFUSED = "refused"  # 400 with `detail`
    DUPLICATE = "duplicate"  # 400 whose `detail` says that the payment's id is known
    BAD_REQUEST = "bad_request"  # 400 without `detail`
    UNAUTHORISED = "unauthorised"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    REQUEST_TIME_OUT = "request_time_out"
    TOO_MANY = "too_many"
    SERVER_ERROR = "server_error"  # 500: the server that settle itself calls failed
    GATEWAY_ERROR = "gateway_error"  # 502, 503, 504
    OTHER_5XX = "other_5xx"
    NOT_CONNECTED = "not_connected"
    TIME_OUT = "time_out"
    RESET = "reset"
    SHORT_BODY = "short_body"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    UNLISTED = "unlisted"


# For every operation alike: an explicit no, a call that never was, credentials, and what nobody has described.
_COMMON = {
    Kind.REFUSED: Meaning.REFUSED,
    Kind.DUPLICATE: Meaning.CHECK,
    Kind.BAD_REQUEST: Meaning.CHECK,
    Kind.UNAUTHORISED: Meaning.REAUTH,
    Kind.FORBIDDEN: Meaning.HALT,
    Kind.NOT_FOUND: Meaning.HALT,
    Kind.NOT_ALLOWED: Meaning.HALT,
    Kind.TOO_MANY: Meaning.NOT_SENT,
    Kind.NOT_CONNECTED: Meaning.NOT_SENT,
    Kind.UNLISTED: Meaning.CHECK,
}
_AMBIGUOUS = frozenset(Kind) - _COMMON.keys()  # narrowed below by what succeeds

_SUCCESSES: Mapping[Operation | str, frozenset[Kind]] = {
    Operation.SETTLE: frozenset({Kind.OK_EMPTY, Kind.OK_DETAIL, Kind.OK_RECEIPT, Kind.OK_OBJECT}),
    Operation.REFUND: frozenset({Kind.OK_DETAIL}),
    RECEIPT: frozenset({Kind.OK_RECEIPT}),
}
# Stated for settle: "when a request did not get through, wait a while and send exactly this request again".
_WHEN_AMBIGUOUS: Mapping[Operation | str, Meaning] = {
    Operation.SETTLE: Meaning.RESEND,
    Operation.REFUND: Meaning.CHECK,
    RECEIPT: Meaning.CHECK,
}

ANSWERS: Mapping[tuple[Operation | str, str], Meaning] = {
    (operation, str(kind)): meaning
    for operation, successes in _SUCCESSES.items()
    for kind, meaning in (
        _COMMON | dict.fromkeys(_AMBIGUOUS, _WHEN_AMBIGUOUS[operation]) | dict.fromkeys(successes, Meaning.SUCCEEDED)
    ).items()
}

_STATUSES = {
    401: Kind.UNAUTHORISED,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    405: Kind.NOT_ALLOWED,
    408: Kind.REQUEST_TIME_OUT,
    429: Kind.TOO_MANY,
    500: Kind.SERVER_ERROR,
    502: Kind.GATEWAY_ERROR,
    503: Kind.GATEWAY_ERROR,
    504: Kind.GATEWAY_ERROR,
}
# What says that billcenter itself is down. Not 500: that is one biller's fault.
_DOWN = frozenset({Kind.NOT_CONNECTED, Kind.TIME_OUT, Kind.RESET, Kind.GATEWAY_ERROR})

# An explicit no: the check that follows a DUPLICATE has to know that the id was known.
_REFUSALS = frozenset({Kind.REFUSED, Kind.DUPLICATE})

_RECEIPT_FIELDS = ("lottery", "qrdt", "posapi_tdd")
_KEPT = ("id", "amount_paid", "status", "updated_at", "amount", "vat", "total_amount", "lottery", "qrdt", "mail")
_MAX_DETAIL = 500
_MAX_FACT = 2000  # a receipt's qrdt has some 300 characters
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def read(operation: Operation | str, outcome: HttpAnswer | HttpFault, duplicate: re.Pattern[str] | None) -> Answer:
    """What the outcome of one call means. Total: whatever is not described is CHECK with listed=False."""
    if isinstance(outcome, HttpFault):
        kind = _fault_kind(outcome)
        return _answer(operation, kind, f"{kind}: {outcome.detail}")
    document = _document(outcome.body)
    detail = detail_of(document)
    answer = _answer(operation, _kind(outcome, document, detail, duplicate), detail, outcome)
    if outcome.status != 200 or not isinstance(document, dict):
        return answer
    facts = _facts(document)
    # A settle's answer shows the invoice: its id is nobody's payment. A receipt has an id of its own.
    reference = str(facts["id"]) if operation == RECEIPT and "id" in facts else None
    return replace(answer, facts=facts, provider_reference=reference)


def detail_of(document: Any) -> str | None:
    """The reason in an answer's `detail`, fit for people: no control characters, at most 500 characters."""
    if not isinstance(document, dict) or not isinstance(document.get("detail"), str):
        return None
    return _CONTROL.sub(" ", document["detail"]).strip()[:_MAX_DETAIL] or None


def _answer(operation: Operation | str, kind: Kind, detail: str | None, answer: HttpAnswer | None = None) -> Answer:
    return Answer(
        kind=kind,
        meaning=ANSWERS[operation, kind],
        http_status=answer.status if answer else None,
        detail=detail,
        retry_after_s=answer.retry_after_s if answer else None,
        provider_down=kind in _DOWN,
        listed=kind is not Kind.UNLISTED,
        refusal=kind in _REFUSALS,
    )


def _fault_kind(fault: HttpFault) -> Kind:
    if not fault.written:
        return Kind.NOT_CONNECTED
    # "Not connected" of a call with written bytes would be a defect: never take it for not sent.
    return Kind.RESET if fault.kind is Fault.NOT_CONNECTED else Kind(fault.kind)


def _kind(outcome: HttpAnswer, document: Any, detail: str | None, duplicate: re.Pattern[str] | None) -> Kind:
    if outcome.status == 200:
        return _ok_kind(outcome.body, document, detail)
    if outcome.status == 400:
        if detail is None:
            return Kind.BAD_REQUEST
        return Kind.DUPLICATE if duplicate and duplicate.search(detail) else Kind.REFUSED
    other = Kind.OTHER_5XX if 500 <= outcome.status <= 599 else Kind.UNLISTED
    return _STATUSES.get(outcome.status, other)


def _ok_kind(body: bytes, document: Any, detail: str | None) -> Kind:
    if not body.strip():
        return Kind.OK_EMPTY
    if not isinstance(document, dict):
        return Kind.OK_OTHER
    if detail is not None:
        return Kind.OK_DETAIL
    return Kind.OK_RECEIPT if any(document.get(name) for name in _RECEIPT_FIELDS) else Kind.OK_OBJECT


def _document(body: bytes) -> Any:
    try:
        return parse_json(body)
    except ValueError:
        return None


def _facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth keeping as evidence; nothing that names a person."""
    facts = {name: document[name] for name in _KEPT if isinstance(document.get(name), str | int)}
    meta = document.get("meta_data")
    if isinstance(meta, dict) and isinstance(meta.get("pdfUrl"), str):
        facts["pdf_url"] = meta["pdfUrl"]
    return {name: value[:_MAX_FACT] if isinstance(value, str) else value for name, value in facts.items()}
