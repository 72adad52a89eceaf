"""billcenter's requests and answers as data. Pure: no network, no clock, no settings.

Rules and traps are named in the README beside this file.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.answers import Answer, Meaning
from shared.domain.money import format_amount, places
from shared.domain.payment import Operation
from shared.providers.http import Fault, HttpAnswer, HttpFault, parse_json

CURRENCY = "MNT"
RECEIPT = "receipt"  # the follow-up's name in the answer table
PATHS: Mapping[str, str] = {
    Operation.SETTLE: "/api/third_party/settle_payment/",
    Operation.REFUND: "/api/third_party/refund_payment/",
    RECEIPT: "/api/third_party/nuat_paid_invoice/",
}

_CODE = r"^[^\x00-\x1f\x7f-\x9f]*$"


class Target(BaseModel):
    """What an intent says about whom to pay."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    invoice_code: str = Field(min_length=1, max_length=64, pattern=_CODE)
    bs_customer_code: str = Field(min_length=1, max_length=64, pattern=_CODE)
    biller_service_id: int = Field(gt=0, lt=2**31)
    bank_code: str | None = Field(None, min_length=1, max_length=64, pattern=_CODE)


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


def minor(text: Any) -> int | None:
    """Minor units of one of billcenter's amounts ("1000.00"), or None for anything else, floats included."""
    if isinstance(text, str) and re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]+)?", text, re.ASCII):
        units = Decimal(text).scaleb(places(CURRENCY))
        return int(units) if units == int(units) else None
    return None


def accounts_for(rows: Sequence[Mapping[str, Any]], bs_customer_code: str) -> list[Mapping[str, Any]]:
    """The bank accounts of a service that fit a customer.

    Where a service's accounts carry a `khut_type` (the branches of the Ulaanbaatar electricity network: our reading,
    the document does not say which service that is), the customer code's first digit chooses.
    """
    fitting = [row for row in rows if row.get("account") and row.get("currency") in (None, "", CURRENCY)]
    if any(row.get("khut_type") not in (None, "") for row in rows):
        fitting = [row for row in fitting if str(row.get("khut_type")) == bs_customer_code[0]]
    return fitting


def paid_date(moment: datetime) -> str:
    """UTC, always with microseconds, the way billcenter writes it: `2023-11-09 03:24:12.133606+00`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00"


def settle_body(
    target: Target, *, bank_code: str, bank_account: str, amount_minor: int, paid_at: datetime, payment_id: str
) -> bytes:
    """The bytes of a settle. The document calls the id `payment_id`, its sample `payment_invoice_code`: both."""
    return _encode(
        {
            "bank_code": bank_code,
            "bank_account": bank_account,
            "invoice_code": target.invoice_code,
            "payment_id": payment_id,
            "payment_invoice_code": payment_id,
            "bs_customer_code": target.bs_customer_code,
            "paid_amount": format_amount(amount_minor, CURRENCY),
            "paid_date": paid_date(paid_at),
        }
    )


def refund_body(settle: bytes, amount_minor: int, payment_id: str) -> bytes:
    """The settle's own fields (account, invoice, date), with the refund's amount and id."""
    fields = json.loads(settle)
    amount = format_amount(amount_minor, CURRENCY)
    return _encode({**fields, "payment_id": payment_id, "payment_invoice_code": payment_id, "paid_amount": amount})


def receipt_body(settle: bytes, register: str, email: str) -> bytes:
    """The settle's own fields, with who gets the VAT receipt (register: empty for a person)."""
    return _encode({**json.loads(settle), "noat_register": register, "email": email})


def _encode(fields: Mapping[str, str]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _answer(operation: Operation | str, kind: Kind, detail: str | None, answer: HttpAnswer | None = None) -> Answer:
    return Answer(
        kind=kind,
        meaning=ANSWERS[operation, kind],
        http_status=answer.status if answer else None,
        detail=detail,
        retry_after_s=answer.retry_after_s if answer else None,
        provider_down=kind in _DOWN,
        listed=kind is not Kind.UNLISTED,
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
