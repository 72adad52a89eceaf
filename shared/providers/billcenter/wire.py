"""billcenter's answers as data: every kind, and what it means for each operation. Pure.

Rules and traps are named in the README beside this file.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from shared.domain.answers import Answer, Meaning
from shared.domain.codes import Code
from shared.domain.payment import Operation
from shared.providers import answer_meanings
from shared.providers.answer_meanings import Kind
from shared.providers.billcenter.bodies import RECEIPT
from shared.providers.raw_answers import HttpAnswer, HttpFault


class Said(StrEnum):
    """What billcenter's own document adds to the kinds that every API has."""

    OK_EMPTY = "ok_empty"
    OK_DETAIL = "ok_detail"  # 200, an object with a text `detail`
    OK_RECEIPT = "ok_receipt"  # 200, an object with a receipt's fields
    OK_OBJECT = "ok_object"  # 200, any other object
    OK_OTHER = "ok_other"  # 200 with a list, HTML, half a document
    REFUSED = "refused"  # 400 with `detail`
    DUPLICATE = "duplicate"  # 400 whose `detail` says that the payment's id is known
    BAD_REQUEST = "bad_request"  # 400 without `detail`


_ALL = frozenset[str]({*Kind, *Said})
# For every operation alike: an explicit no, a wrong address, and what holds for every provider.
_COMMON: dict[str, Meaning] = {
    **answer_meanings.COMMON,
    Said.REFUSED: Meaning.REFUSED,
    Said.DUPLICATE: Meaning.CHECK,
    Said.BAD_REQUEST: Meaning.CHECK,
    Kind.NOT_FOUND: Meaning.HALT,
    Kind.NOT_ALLOWED: Meaning.HALT,
}
_AMBIGUOUS = _ALL - _COMMON.keys()  # narrowed below by what succeeds

_SUCCESSES: Mapping[Operation | str, frozenset[str]] = {
    Operation.SETTLE: frozenset({Said.OK_EMPTY, Said.OK_DETAIL, Said.OK_RECEIPT, Said.OK_OBJECT}),
    Operation.REFUND: frozenset({Said.OK_DETAIL}),
    RECEIPT: frozenset({Said.OK_RECEIPT}),
}
# Stated for settle: "when a request did not get through, wait a while and send exactly this request again".
_WHEN_AMBIGUOUS: Mapping[Operation | str, Meaning] = {
    Operation.SETTLE: Meaning.RESEND,
    Operation.REFUND: Meaning.CHECK,
    RECEIPT: Meaning.CHECK,
}

ANSWERS: answer_meanings.AnswerTable = {
    (operation, str(kind)): meaning
    for operation, successes in _SUCCESSES.items()
    for kind, meaning in (
        _COMMON | dict.fromkeys(_AMBIGUOUS, _WHEN_AMBIGUOUS[operation]) | dict.fromkeys(successes, Meaning.SUCCEEDED)
    ).items()
}

# An explicit no: the check that follows a DUPLICATE has to know that the id was known.
_REFUSALS = frozenset[str]({Said.REFUSED, Said.DUPLICATE})

_RECEIPT_FIELDS = ("lottery", "qrdt", "posapi_tdd")
_KEPT = ("id", "amount_paid", "status", "updated_at", "amount", "vat", "total_amount", "lottery", "qrdt", "mail")
_MAX_FACT = 2000  # a receipt's qrdt has some 300 characters


def read(operation: Operation | str, outcome: HttpAnswer | HttpFault, duplicate: re.Pattern[str] | None) -> Answer:
    """What the outcome of one call means. Total: whatever is not described is CHECK with listed=False."""
    if isinstance(outcome, HttpFault):
        return answer_meanings.answer(ANSWERS, operation, answer_meanings.kind_of(outcome), outcome)
    document = answer_meanings.document(outcome)
    detail = detail_of(document)
    kind = _kind(outcome, document, detail, duplicate)
    answer = answer_meanings.answer(ANSWERS, operation, kind, outcome, detail, refusals=_REFUSALS)
    if kind == Said.DUPLICATE:
        return replace(answer, code=Code.ALREADY_KNOWN)
    if outcome.status != 200 or not isinstance(document, dict):
        return answer
    facts = _facts(document)
    # A settle's answer shows the invoice: its id is nobody's payment. A receipt has an id of its own.
    reference = str(facts["id"]) if operation == RECEIPT and "id" in facts else None
    return replace(answer, facts=facts, provider_reference=reference)


def detail_of(document: Any) -> str | None:
    """The reason in an answer's `detail`, fit for people."""
    return answer_meanings.plain(document.get("detail")) if isinstance(document, dict) else None


def _kind(outcome: HttpAnswer, document: Any, detail: str | None, duplicate: re.Pattern[str] | None) -> str:
    if document is answer_meanings.CONTRADICTORY and outcome.status in (200, 400):
        return Kind.CONTRADICTION
    if outcome.status == 200:
        return _ok_kind(outcome.body, document, detail)
    if outcome.status == 400:
        if detail is None:
            return Said.BAD_REQUEST
        return Said.DUPLICATE if duplicate and duplicate.search(detail) else Said.REFUSED
    return answer_meanings.kind_of(outcome)


def _ok_kind(body: bytes, document: Any, detail: str | None) -> Said:
    if not body.strip(b" \t\r\n"):
        return Said.OK_EMPTY
    if not isinstance(document, dict):
        return Said.OK_OTHER
    if detail is not None:
        return Said.OK_DETAIL
    return Said.OK_RECEIPT if any(document.get(name) for name in _RECEIPT_FIELDS) else Said.OK_OBJECT


def _facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth keeping as evidence; nothing that names a person."""
    facts = {name: document[name] for name in _KEPT if isinstance(document.get(name), str | int)}
    meta = document.get("meta_data")
    if isinstance(meta, dict) and isinstance(meta.get("pdfUrl"), str):
        facts["pdf_url"] = meta["pdfUrl"]
    return {name: value[:_MAX_FACT] if isinstance(value, str) else value for name, value in facts.items()}
