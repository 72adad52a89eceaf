"""ubill's text messages as data: requests, batches, the table of what an answer means, reports. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from shared.domain.answers import Answer, Meaning
from shared.domain.records import DeliveryReport
from shared.providers import answer_meanings
from shared.providers.answer_meanings import Kind
from shared.providers.raw_answers import HttpAnswer, HttpFault
from shared.providers.ubill.wire import message, status_id

SEND = "/sms/send"
OPERATION = "sms"  # its name in the answer table
MAX_NUMBERS = 100_000  # recommended for one request
MAX_PARTS = 300_000  # numbers times the parts of their text; under every row of the document's table of observations
MAX_BODY_BYTES = 90_000_000  # stated: 100 MB; kept under it
REPORTED = ("sent", "received", "not delivered", "awaiting status", "error")  # by a report's statusID

_NUMBER = re.compile(r"[1-9][0-9]{6,14}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,20}", re.ASCII)
_GSM_DOUBLE = frozenset("^{}\\[~]|€")  # two places each in GSM 03.38
_PARTS_OF = {True: (160, 153), False: (70, 67)}  # characters of a lone part, and of each of several


class Said(StrEnum):
    """What the document adds to the kinds that every API has: the `statusID` of a 200 or a 400."""

    SENT = "sent"  # 0 with an smsID, and a 200
    NO_BRAND = "no_brand"  # 10
    NO_NUMBERS = "no_numbers"  # 20
    NO_TEXT = "no_text"  # 30
    NO_CREDIT = "no_credit"  # 40
    NO_VALID_NUMBERS = "no_valid_numbers"  # 50
    BAD_TIME = "bad_time"  # 60
    BAD_JSON = "bad_json"  # 90
    GENERAL_ERROR = "general_error"  # 99
    OTHER = "other"  # any other statusID, none, HTML, half a document, a 0 that names no message


_STATUSES = {
    10: Said.NO_BRAND,
    20: Said.NO_NUMBERS,
    30: Said.NO_TEXT,
    40: Said.NO_CREDIT,
    50: Said.NO_VALID_NUMBERS,
    60: Said.BAD_TIME,
    90: Said.BAD_JSON,
    99: Said.GENERAL_ERROR,
}
# Without credit nothing is sent, so it may be asked again when there is some: it is no reason to halt the lane that
# payments go through. A general error may have come after some were sent.
ANSWERS: answer_meanings.AnswerTable = {
    (OPERATION, str(kind)): meaning
    for kind, meaning in {
        **dict.fromkeys((*Kind, *Said), Meaning.CHECK),
        **answer_meanings.COMMON,
        **dict.fromkeys(_STATUSES.values(), Meaning.REFUSED),
        Said.SENT: Meaning.SUCCEEDED,
        Said.NO_CREDIT: Meaning.NOT_SENT,
        Said.GENERAL_ERROR: Meaning.CHECK,
    }.items()
}
_REFUSALS = frozenset(_STATUSES.values())


@dataclass(frozen=True, slots=True)
class Message:
    """A text for a number (international, without 00 or +)."""

    number: str = field(repr=False)
    text: str = field(repr=False)


def is_number(text: str) -> bool:
    """Is it written as the document wants it: international, digits alone, without 00 or +?"""
    return _NUMBER.fullmatch(text) is not None


def body(brand_id: int, messages: Sequence[Message], options: Mapping[str, Any] | None = None) -> bytes:
    """The request's bytes: one text for many numbers where they all have the same, else a text per number.

    options: `stopList`, `otp`, `sendTime`. Numbers are texts: the document's table shows them so, its samples as
    JSON numbers.
    """
    texts = {one.text for one in messages}
    fields: dict[str, Any] = {"brandID": brand_id}
    if len(texts) == 1:
        fields |= {"numbers": [one.number for one in messages], "text": texts.pop()}
    else:
        fields["numbers"] = [{"number": one.number, "text": one.text} for one in messages]
    return json.dumps(fields | dict(options or {}), ensure_ascii=False, separators=(",", ":")).encode()


def batches(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """The messages in order, in requests that each stay within every limit."""
    start = bytes_in = parts_in = 0
    for index, one in enumerate(messages):
        size, of = len(json.dumps(one.text, ensure_ascii=False).encode()) + 64, parts(one.text)
        full = bytes_in + size > MAX_BODY_BYTES or parts_in + of > MAX_PARTS or index - start >= MAX_NUMBERS
        if full and index > start:
            yield messages[start:index]
            start, bytes_in, parts_in = index, 0, 0
        bytes_in, parts_in = bytes_in + size, parts_in + of
    if start < len(messages):
        yield messages[start:]


def parts(text: str) -> int:
    """How many messages a text takes on the air; what is not ASCII is counted as UCS-2, which is never too few."""
    narrow = text.isascii()
    length = sum(1 + (c in _GSM_DOUBLE) for c in text) if narrow else len(text.encode("utf-16-le")) // 2
    lone, each = _PARTS_OF[narrow]
    return 1 if length <= lone else -(-length // each)


def read(outcome: HttpAnswer | HttpFault) -> Answer:
    """What came of a sending. Total: what is not described is CHECK. provider_reference: the smsID.

    A `statusID` counts beside a 200 and beside a 400: the document gives no HTTP statuses (our reading).
    """
    if isinstance(outcome, HttpFault) or outcome.status not in (200, 400):
        return answer_meanings.answer(ANSWERS, OPERATION, answer_meanings.kind_of(outcome), outcome)
    document = answer_meanings.document(outcome)
    if document is answer_meanings.CONTRADICTORY:
        return answer_meanings.answer(ANSWERS, OPERATION, Kind.CONTRADICTION, outcome)
    status, sms_id = status_id(document), _sms_id(document)
    if (outcome.status, status) == (200, 0) and sms_id is not None:
        answer = answer_meanings.answer(ANSWERS, OPERATION, Said.SENT, outcome)
        return replace(answer, provider_reference=sms_id, facts={"sms_id": sms_id})
    kind = Said.OTHER if status is None else _STATUSES.get(status, Said.OTHER)
    detail = f"{message(document) or 'no message'} (statusID {status}, HTTP {outcome.status})"
    return answer_meanings.answer(ANSWERS, OPERATION, kind, outcome, detail, refusals=_REFUSALS)


def reports(document: Any) -> list[DeliveryReport] | None:
    """What is said of each number of a message; None where the answer is not as documented."""
    rows = document.get("result") if status_id(document) == 0 else None
    if not isinstance(rows, list):
        return None
    found = [_report(row) for row in rows]
    return None if None in found else [report for report in found if report is not None]


def _report(row: Any) -> DeliveryReport | None:
    """Trap: within the list a `statusID` is a text, and says something else."""
    if not isinstance(row, dict):
        return None
    number, status = _digits(row.get("number")), _digits(row.get("statusID"))
    if number is None or status is None or int(status) >= len(REPORTED):
        return None
    return DeliveryReport(number, int(status))


def _sms_id(document: Any) -> str | None:
    """A number in one example of the document, a text in another."""
    return _digits(document.get("smsID")) if isinstance(document, dict) else None


def _digits(value: Any) -> str | None:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if _DIGITS.fullmatch(text) else None
