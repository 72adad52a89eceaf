"""ubill's answers as data: every kind, and what it means for a payment. Pure.

Rules and traps are named in the README beside this file.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from shared.domain.answers import Answer, Meaning
from shared.domain.payment import Operation
from shared.providers import answer_meanings
from shared.providers.answer_meanings import Kind
from shared.providers.raw_answers import HttpAnswer, HttpFault


class Said(StrEnum):
    """What ubill's own document adds to the kinds that every API has."""

    OK = "ok"  # 200, statusID 0 and the payment's id
    OK_WITHOUT_ID = "ok_without_id"  # 200 and statusID 0, but no payment is named
    OK_OTHER = "ok_other"  # 200, empty, HTML, half a document, no statusID
    NO = "no"  # an answer of ubill's own with another statusID


# No request may be sent twice, and no refusal of a payment is documented: what is not listed below is CHECK.
_MEANINGS: Mapping[str, Meaning] = {
    **dict.fromkeys((*Kind, *Said), Meaning.CHECK),
    **answer_meanings.COMMON,
    Kind.UNAUTHORISED: Meaning.HALT,  # the key is static: no other one can be had
    Kind.NOT_FOUND: Meaning.HALT,  # the address is wrong; ubill's own answer to a payment has a statusID
    Kind.NOT_ALLOWED: Meaning.HALT,
    Said.OK: Meaning.SUCCEEDED,
}
ANSWERS: answer_meanings.AnswerTable = {(Operation.SETTLE, str(kind)): meaning for kind, meaning in _MEANINGS.items()}

_REFUSALS = frozenset[str]({Said.NO})
# Statuses that may carry a no of ubill's own; a 401, 403, 408 or 429 says what it says by itself.
_BESIDE_A_NO = frozenset({Kind.UNLISTED, Kind.NOT_FOUND, Kind.NOT_ALLOWED})
_MAX_ID_LENGTH = 64


def read(operation: Operation | str, outcome: HttpAnswer | HttpFault) -> Answer:
    """What the outcome of one call means. Total: whatever is not described is CHECK with listed=False."""
    if isinstance(outcome, HttpFault):
        return answer_meanings.answer(ANSWERS, operation, answer_meanings.kind_of(outcome), outcome)
    document = answer_meanings.document(outcome)
    kind = _kind(outcome, document)
    detail = None if kind == Said.OK else message(document)
    answer = answer_meanings.answer(ANSWERS, operation, kind, outcome, detail, refusals=_REFUSALS)
    if kind == Said.OK:
        return replace(answer, provider_reference=_payment_id(document))
    return replace(answer, facts={"status_id": status_id(document)}) if kind == Said.NO else answer


def status_id(document: Any) -> int | None:
    """The `statusID` of an answer as a whole; None where there is none. A text is read as well, except for "0": success
    is documented as the number, and is none beside a `status` (the list of all payments has it) that denies it."""
    value = document.get("statusID") if isinstance(document, dict) else None
    if value == 0 and document.get("status", True) is not True:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value) or None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def says_success(document: Any) -> bool:
    """Does a list come with it? Trap: that of all payments has `"status": true` in place of `statusID`."""
    if not isinstance(document, dict):
        return False
    return status_id(document) == 0 or ("statusID" not in document and document.get("status") is True)


def message(document: Any) -> str | None:
    """The reason in an answer's `message`, fit for people."""
    return answer_meanings.plain(document.get("message")) if isinstance(document, dict) else None


def _kind(outcome: HttpAnswer, document: Any) -> str:
    status, said = answer_meanings.kind_of(outcome), status_id(document)
    if document is answer_meanings.CONTRADICTORY and (outcome.status == 200 or status in _BESIDE_A_NO):
        return Kind.CONTRADICTION
    if outcome.status == 200:
        if said == 0:
            return Said.OK if _payment_id(document) else Said.OK_WITHOUT_ID
        return Said.OK_OTHER if said is None else Said.NO
    own_no = said not in (None, 0) and 400 <= outcome.status <= 499 and status in _BESIDE_A_NO
    return Said.NO if own_no else status


def _payment_id(document: Mapping[str, Any]) -> str | None:
    data = document.get("data")
    value = data.get("id") if isinstance(data, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):  # the document writes ids either way
        value = str(value)
    text = (answer_meanings.plain(value) or "")[:_MAX_ID_LENGTH]
    # A zero is what databases say where no row was written.
    return text if text.strip("0") else None
