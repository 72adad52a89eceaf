"""What a provider's answer means, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.domain.codes import Code
from shared.domain.payment import State

MAX_SHOWN = 100  # lines of one look; what is beyond that nobody has read, and no word of a person covers it


class Meaning(StrEnum):
    """What one attempt's answer means. An adapter's table gives one for every kind of answer."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"  # a no that the provider's document describes
    RESEND = "resend"  # ambiguous, and the provider promises that the same request is safe
    CHECK = "check"  # ambiguous, or a no that is not documented: look before anything else
    NOT_SENT = "not_sent"  # no byte of the request was written, or the provider said 429
    REAUTH = "reauth"  # the token was refused
    HALT = "halt"  # credentials or funds: the whole lane stops


def next_state(meaning: Meaning, *, resend_safe: bool, in_doubt: bool) -> State:
    """Where a payment that was being sent goes.

    in_doubt: an earlier attempt may have been applied; then a refusal proves nothing (it may well refuse because
    the earlier attempt was applied), so the books are looked at first.
    """
    match meaning:
        case Meaning.SUCCEEDED:
            return State.SUCCEEDED
        case Meaning.REFUSED:
            return State.UNKNOWN if in_doubt else State.REFUSED
        case Meaning.NOT_SENT | Meaning.REAUTH:
            return State.WAITING
        case Meaning.RESEND | Meaning.HALT:
            return State.WAITING if resend_safe else State.UNKNOWN
        case Meaning.CHECK:
            return State.UNKNOWN


def leaves_doubt(meaning: Meaning) -> bool:
    """May an attempt that ended with this have been applied? A 403 may be a filter's, made of the answer to a payment
    that was booked. A 401 says that the request was stopped at the door, and nothing of an earlier one."""
    return meaning in (Meaning.RESEND, Meaning.CHECK, Meaning.HALT)


class Verdict(StrEnum):
    """What a check found in the provider's books."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Answer:
    """One attempt's answer, read.

    kind: the adapter's name for it, e.g. `ok_empty`, `refused`, `time_out`; a key of its answer table.
    refusal: the provider said no, documented or not; a REFUSED always is one.
    listed: False when the answer fits no row of the table: it is CHECK and raises an alert.
    detail: the provider's own reason, at most 500 characters, for people.
    provider_down: True for what says that the provider itself is down (the circuit breaker counts these).
    """

    kind: str
    meaning: Meaning
    http_status: int | None = None
    detail: str | None = None
    provider_reference: str | None = None
    retry_after_s: float | None = None
    provider_down: bool = False
    listed: bool = True
    refusal: bool = False
    code: Code | None = None  # where the adapter knows more than its kind tells
    facts: Mapping[str, Any] = field(default_factory=dict)  # e.g. amount_paid, status: kept as evidence


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check's verdict with the evidence that it rests on (kept with the payment).

    unread: the check could not be made: it is INCONCLUSIVE, and says nothing of the payment or of the lane.
    provider_down: it could not be made because the provider is down.
    broken: it could not be made because of a mistake of ours.
    retry_after_s: how long the provider asked to be left alone.
    for_person: the books contradict us: more checks won't mend it, the payment is parked at once.
    own: our own reference stands in the books, though not as it should: nobody's word sends this payment again.
    doubts: each thing that keeps an INCONCLUSIVE from being a verdict; none: `detail` is the only one.
    shown: what in the books may be this payment, for the person who decides: e.g. a line's number, amount and date,
    as texts. What is new or different at a later look was not shown to that person.
    line: of an APPLIED that rests on one line of the list of the payment's `books_key`, what it is called there.
    candidates: of what is shown, in the same order, what is compared with the payment: line (what it is called),
    amount_minor, at, marker.
    """

    verdict: Verdict
    detail: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    provider_reference: str | None = None
    provider_down: bool = False
    unread: bool = False
    for_person: bool = False
    own: bool = False
    doubts: tuple[str, ...] = ()
    shown: tuple[Mapping[str, str | None], ...] = ()
    broken: bool = False
    retry_after_s: float | None = None
    line: str | None = None
    candidates: tuple[Mapping[str, Any], ...] = ()
