"""mtn's answers as data: every kind, and what it means. Pure.

Rules and traps are named in the README beside this file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from shared.domain.answers import Answer, Meaning
from shared.domain.codes import Code
from shared.domain.payment import Operation
from shared.domain.reference import is_reference
from shared.providers import answer_meanings
from shared.providers.answer_meanings import Kind
from shared.providers.raw_answers import HttpAnswer, HttpFault

OK_CODE = "0000"


class Said(StrEnum):
    """What mtn's own document adds to the kinds that every API has."""

    OK = "ok"  # 200 with resultCode 0000
    NO = "no"  # 200 with any other resultCode: a no that is not documented
    OK_OTHER = "ok_other"  # 200 without a resultCode, or with two that differ
    REFUSED = "refused"  # 400, 404 or 405 with the documented `Error`
    BAD_REQUEST = "bad_request"  # 400 without it
    KEY_REFUSED = "key_refused"  # 401 where there is an API key alone: no log-in could mend that


_ALL = frozenset[str]({*Kind, *Said})
# Nothing is stated about a repeated request: all that is ambiguous is looked at first.
_SETTLE: Mapping[str, Meaning] = (
    dict.fromkeys(_ALL, Meaning.CHECK)
    | dict(answer_meanings.COMMON)
    | {Said.OK: Meaning.SUCCEEDED, Said.REFUSED: Meaning.REFUSED, Said.KEY_REFUSED: Meaning.HALT}
)
ANSWERS: answer_meanings.AnswerTable = {(Operation.SETTLE, str(kind)): meaning for kind, meaning in _SETTLE.items()}

_REFUSALS = frozenset[str]({Said.NO, Said.REFUSED})
_KEY_REFUSED = "mtn refused the API key; check SETTLEPIPE_MTN__API_KEY"
_MAX_FACT = 100
_NO_REFUSAL = re.compile(r"(2[0-9]{2}|408|429|5[0-9]{2})\b.*", re.ASCII | re.DOTALL)
_TOLD_BY_BODY = (200, 400, 404, 405)


@dataclass(frozen=True, slots=True)
class Result:
    """What an answer with status 200 says of itself. code: "0000" for success; nothing else is documented."""

    code: str
    description: str | None
    transaction_id: str | None
    data: Any

    @property
    def ok(self) -> bool:
        return self.code == OK_CODE

    @property
    def shown(self) -> str:
        """The code, fit for people."""
        return (answer_meanings.plain(self.code) or "?")[:_MAX_FACT]

    @property
    def reason(self) -> str:
        """For people; the description is mtn's own text."""
        return f"resultCode {self.shown}: {self.description or 'no description'}"


def result_of(document: Any) -> Result | None:
    """The result, at the top level or under `result`: the document has it in both places. None where there is no
    resultCode, where two differ, where one is no text, or where an `Error` stands beside a success."""
    if not isinstance(document, dict):
        return None
    places = _places(document)
    codes = [place["resultCode"] for place in places if place.get("resultCode") is not None]
    if not codes or not all(isinstance(code, str) and code == codes[0] for code in codes):
        return None
    if codes[0] == OK_CODE and _is_error(document):
        return None
    descriptions, ids = (
        [text for place in places if (text := answer_meanings.plain(place.get(name)))]
        for name in ("resultDescription", "transactionId")
    )
    return Result(
        codes[0],
        descriptions[0] if descriptions else None,
        ids[0][:_MAX_FACT] if ids else None,
        document.get("data"),
    )


def _places(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Where the fields of a result may stand."""
    inner = document.get("result")
    return [document, inner] if isinstance(inner, dict) else [document]


def _is_error(document: Mapping[str, Any]) -> bool:
    """Has it what an `Error` is required to have?"""
    return isinstance(document.get("status"), str | int) and isinstance(document.get("message"), str)


def refusal_of(document: Any) -> str | None:
    """The reason in an `Error` as documented: `status` and `message` are required. None for any other body, beside the
    resultCode of a success, and where `status` ("returned by provider system") says that the system behind broke down,
    or did it: that is no refusal."""
    if not isinstance(document, dict) or not _is_error(document):
        return None
    if any(place.get("resultCode") == OK_CODE for place in _places(document)):
        return None
    if _NO_REFUSAL.fullmatch(str(document["status"]).strip()):
        return None
    return answer_meanings.plain(document.get("message"))


def read(outcome: HttpAnswer | HttpFault, *, key_alone: bool, reference: str | None = None) -> Answer:
    """What the outcome of a settle means. Total: whatever is not described is CHECK with listed=False.

    key_alone: there is no OAuth2 client, so no new token could be had. reference: what was sent as `referenceId`; an
    answer that names another one of ours in its place answers another request.
    """
    if isinstance(outcome, HttpFault):
        return answer_meanings.answer(ANSWERS, Operation.SETTLE, answer_meanings.kind_of(outcome), outcome)
    document = answer_meanings.document(outcome)
    result, refusal = result_of(document), refusal_of(document)
    contradicts = document is answer_meanings.CONTRADICTORY or (
        reference is not None and _is_of_another(result, reference)
    )
    contradicts &= outcome.status in _TOLD_BY_BODY
    kind = Kind.CONTRADICTION if contradicts else _kind(outcome, result, refusal, key_alone)
    detail = _KEY_REFUSED if kind == Said.KEY_REFUSED else result.reason if kind == Said.NO and result else refusal
    answer = answer_meanings.answer(ANSWERS, Operation.SETTLE, kind, outcome, detail, refusals=_REFUSALS)
    if kind == Said.REFUSED and outcome.status == 404:  # our reading: what was not found is what was to be paid
        answer = replace(answer, code=Code.INVOICE_NOT_FOUND)
    if result is None or outcome.status != 200 or contradicts:
        return answer
    return replace(answer, facts=_facts(result), provider_reference=result.transaction_id if result.ok else None)


def _kind(outcome: HttpAnswer, result: Result | None, refusal: str | None, key_alone: bool) -> str:
    if outcome.status == 200:
        if result is None:
            return Said.OK_OTHER
        return Said.OK if result.ok else Said.NO
    if outcome.status in (400, 404, 405) and refusal is not None:
        return Said.REFUSED
    if outcome.status == 400:
        return Said.BAD_REQUEST
    if outcome.status == 401 and key_alone:
        return Said.KEY_REFUSED
    return answer_meanings.kind_of(outcome)


def _is_of_another(result: Result | None, reference: str) -> bool:
    told = result.data.get("paymentRef") if result and isinstance(result.data, dict) else None
    texts = [one.get("referenceId") for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    ours = [text for text in texts if isinstance(text, str) and is_reference(text)]
    return bool(ours) and reference not in ours


def _facts(result: Result) -> dict[str, str]:
    """What is worth keeping as evidence; nothing that names a customer."""
    facts = {"result_code": result.shown}
    if isinstance(result.data, dict):
        for name, key in (("amount_paid", "amountPaid"), ("advance_payment", "advancePayment")):
            money = result.data.get(key)
            if isinstance(money, dict) and (amount := answer_meanings.plain(money.get("amount"))):
                facts[name] = f"{amount} {answer_meanings.plain(money.get('unit')) or ''}".strip()[:_MAX_FACT]
    return facts
