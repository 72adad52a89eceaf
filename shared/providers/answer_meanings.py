"""The kinds of answer that any API over HTTP can give, whatever its document says, and how one is told.

An adapter's table is total over these and over what its document adds: kinds of success, of refusal. Pure.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.domain.answers import Answer, CheckResult, Meaning, Verdict
from shared.domain.payment import Operation
from shared.providers.raw_answers import Contradiction, Fault, HttpAnswer, HttpFault, parse_json


class Kind(StrEnum):
    """What a fault or a status says by itself. A 200 and a 400 say nothing without their bodies."""

    UNAUTHORISED = "unauthorised"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    NOT_ALLOWED = "not_allowed"
    REQUEST_TIME_OUT = "request_time_out"
    TOO_MANY = "too_many"
    SERVER_ERROR = "server_error"
    GATEWAY_ERROR = "gateway_error"  # 502, 503, 504
    OTHER_5XX = "other_5xx"
    NOT_CONNECTED = "not_connected"  # the only fault of which it is sure that no byte was written
    TIME_OUT = "time_out"
    RESET = "reset"
    SHORT_BODY = "short_body"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    CONTRADICTION = "contradiction"  # its body says two things
    UNLISTED = "unlisted"


# What holds for every provider: a call that never was, credentials, and what nobody has described.
COMMON: Mapping[str, Meaning] = {
    Kind.UNAUTHORISED: Meaning.REAUTH,
    Kind.FORBIDDEN: Meaning.HALT,
    Kind.TOO_MANY: Meaning.NOT_SENT,
    Kind.NOT_CONNECTED: Meaning.NOT_SENT,
    Kind.CONTRADICTION: Meaning.CHECK,  # also where a request may be sent again: one of the two may be a success
    Kind.UNLISTED: Meaning.CHECK,
}
# What says that the provider itself is down. Not a 500: that can be one bill's fault.
DOWN: Set[str] = frozenset({Kind.NOT_CONNECTED, Kind.TIME_OUT, Kind.RESET, Kind.GATEWAY_ERROR})
DOWN_FAULTS: Set[Fault] = frozenset({Fault.NOT_CONNECTED, Fault.TIME_OUT, Fault.RESET})

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
_MAX_TEXT = 500
_UNSEEN = re.compile(r"\x00+")


@dataclass(frozen=True, slots=True)
class Unread:
    """The books that a check asks for could not be told. provider_down: because the provider is down.

    answered: they were looked for, and what came tells nothing of the payment.
    retry_after_s: how long the provider asked to be left alone.
    """

    detail: str
    provider_down: bool = False
    answered: bool = False
    retry_after_s: float | None = None

    @property
    def result(self) -> CheckResult:
        """What the check comes to."""
        down, unread = self.provider_down, not self.answered
        after_s = self.retry_after_s
        return CheckResult(Verdict.INCONCLUSIVE, self.detail, provider_down=down, unread=unread, retry_after_s=after_s)


CONTRADICTORY = object()

AnswerTable = Mapping[tuple[Operation | str, str], Meaning]


def kind_of(outcome: HttpAnswer | HttpFault) -> Kind:
    """The kind that a fault or a status has by itself; UNLISTED for every other status."""
    if isinstance(outcome, HttpAnswer):
        other = Kind.OTHER_5XX if 500 <= outcome.status <= 599 else Kind.UNLISTED
        return _STATUSES.get(outcome.status, other)
    if not outcome.written:
        return Kind.NOT_CONNECTED
    # "Not connected" of a call with written bytes would be a defect: never take it for not sent.
    return Kind.RESET if outcome.kind is Fault.NOT_CONNECTED else Kind(outcome.kind)


def answer(
    table: AnswerTable,
    operation: Operation | str,
    kind: str,
    outcome: HttpAnswer | HttpFault,
    detail: str | None = None,
    *,
    refusals: Set[str] = frozenset(),
) -> Answer:
    """One attempt's answer by the adapter's table. refusals: the kinds that are an explicit no, documented or not."""
    if isinstance(outcome, HttpFault):
        detail = f"{kind}: {outcome.detail}"
    return Answer(
        kind=str(kind),
        meaning=table[operation, kind],
        http_status=outcome.status if isinstance(outcome, HttpAnswer) else None,
        detail=detail,
        retry_after_s=outcome.retry_after_s if isinstance(outcome, HttpAnswer) else None,
        provider_down=kind in DOWN,
        listed=kind != Kind.UNLISTED,
        refusal=kind in refusals,
    )


def document(outcome: HttpAnswer) -> Any:
    """The body's JSON value; None for an empty body, HTML, half a document. Decimals are Decimal.

    CONTRADICTORY, which is nothing that a document describes either, where the body says two things.
    """
    try:
        return parse_json(outcome.body)
    except Contradiction:
        return CONTRADICTORY
    except ValueError:
        return None


def explicit(answer: Answer) -> bool:
    """Is it a yes or a no that the document describes? Then nothing else is on its way for this request."""
    return answer.meaning in (Meaning.SUCCEEDED, Meaning.REFUSED)


def plain(value: Any) -> str | None:
    """A provider's text fit for people: a space for what is not seen, at most 500 characters; None for no text."""
    if not isinstance(value, str):
        return None
    seen = "".join(one if one.isprintable() and one != "\ufffd" else "\x00" for one in value)
    return _UNSEEN.sub(" ", seen).strip()[:_MAX_TEXT] or None
