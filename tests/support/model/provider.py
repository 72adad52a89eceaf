"""A provider that keeps a ledger of what it really did, whatever it answers, and all that it can answer.

Its answers are those of the adapters' own tables: `safe` promises that a settle may be sent again (billcenter's), and
`careful` promises nothing (ubill's and mtn's); nobody's refund may be sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.domain.answers import Answer, CheckResult, Meaning, Verdict
from shared.domain.payment import Operation, Payment
from shared.providers.answer_meanings import DOWN, Kind
from shared.providers.base import Auth, Doubt, LoginBusy, LoginRefused, LoginUnavailable
from shared.providers.ours import Books
from shared.providers.registry import REGISTRATIONS
from tests.support.flow import Scripted
from tests.support.model.calls import Question, current

LANES = ("safe", "careful")
_TABLES = {
    ("safe", Operation.SETTLE): ("billcenter",),
    ("safe", Operation.REFUND): ("billcenter",),
    ("careful", Operation.SETTLE): ("ubill", "mtn"),
    ("careful", Operation.REFUND): ("billcenter",),
}
_STATUSES = {
    Kind.UNAUTHORISED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.NOT_ALLOWED: 405,
    Kind.REQUEST_TIME_OUT: 408,
    Kind.TOO_MANY: 429,
    Kind.SERVER_ERROR: 500,
    Kind.GATEWAY_ERROR: 503,
    Kind.OTHER_5XX: 507,
}
_NO_ANSWER = (Kind.NOT_CONNECTED, Kind.TIME_OUT, Kind.RESET, Kind.SHORT_BODY, Kind.TOO_LARGE, Kind.MALFORMED)
_NOES = ("no", "refused", "duplicate")
# Of an attempt that ended like this the provider did nothing, whatever an earlier one did.
NOTHING_DONE = (Meaning.REFUSED, Meaning.NOT_SENT, Meaning.REAUTH)
LINE = {"number": "P-7", "amount": "100.00 MNT"}
_REFRESHED = Auth(fresh_after_refusal=True)
LOGINS: Sequence[Any] = (*[Auth()] * 16, _REFRESHED, LoginRefused("no"), LoginUnavailable("503"), LoginBusy("busy"))
BASELINES: Sequence[Any] = (*[{"paid": "0.00"}] * 4, None)


def _answer(kind: str, meaning: Meaning) -> Answer:
    status = None if kind in _NO_ANSWER else _STATUSES.get(Kind(kind), 200) if kind in set(Kind) else 200
    after_s = 5000.0 if status in (429, 503) else None
    refusal, listed = kind in _NOES, kind != Kind.UNLISTED
    return Answer(kind, meaning, status, kind, None, after_s, kind in DOWN, listed, refusal)


def _answers(providers: Sequence[str], operation: Operation) -> Sequence[Any]:
    """A yes first and often, then a no, every kind, and a mistake of the adapter's."""
    found = {
        (kind, meaning)
        for provider in providers
        for (of, kind), meaning in REGISTRATIONS[provider].answers.items()
        if of == operation
    }
    every = [_answer(kind, meaning) for kind, meaning in sorted(found)]
    yes = [one for one in every if one.meaning is Meaning.SUCCEEDED]
    no = [one for one in every if one.meaning is Meaning.REFUSED]
    return (*yes[:1] * 8, *no[:1] * 4, *every, RuntimeError("a mistake of the adapter's"))


ANSWERS: Mapping[tuple[str, Operation], Sequence[Any]] = {
    of: _answers(providers, of[1]) for of, providers in _TABLES.items()
}
_PLAIN = CheckResult(Verdict.INCONCLUSIVE, "can't be told")
UNSURE: Sequence[Any] = (
    _PLAIN,
    CheckResult(Verdict.INCONCLUSIVE, "a line is not explained", doubts=("a line",), shown=(LINE,)),
    CheckResult(Verdict.INCONCLUSIVE, "the books contradict us", for_person=True, shown=(LINE,)),
    CheckResult(Verdict.INCONCLUSIVE, "the provider is down", provider_down=True, unread=True),
    CheckResult(Verdict.INCONCLUSIVE, "429", unread=True, retry_after_s=5000.0),
    LoginRefused("no"),
    LoginUnavailable("503"),
    RuntimeError("a mistake of the adapter's"),
)
APPLIED = CheckResult(Verdict.APPLIED, "it is there", {"paid": "100.00"}, provider_reference="P-9")
ABSENT = CheckResult(Verdict.NOT_APPLIED, "it is not there", {"paid": "0.00"})
_OWN = CheckResult(Verdict.INCONCLUSIVE, "its marker stands oddly", own=True, shown=(LINE,))


def verdicts(applied: bool) -> Sequence[Any]:
    """What a look at honest books can come to: the truth, or that it can't be told."""
    return (*[APPLIED] * 4, _OWN, *UNSURE) if applied else (*[ABSENT] * 5, *UNSURE)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as its provider got it, and whose it is: one intent may come to it under two references."""

    intent_id: str
    provider: str
    operation: Operation
    reference: str
    body: bytes

    @classmethod
    def of(cls, payment: Payment) -> "Sent":
        assert payment.body is not None
        return cls(payment.intent_id, payment.provider, payment.operation, payment.sent_reference, payment.body)


@dataclass
class Ledger:
    """booked: each request that is in effect, and since when (the game's seconds). late: until when what the provider
    is still working on may come into effect; it is one more time each."""

    booked: list[tuple[Sent, float]] = field(default_factory=list)
    late: list[tuple[Sent, float]] = field(default_factory=list)

    def apply(self, sent: Sent, at_s: float) -> None:
        """It is booked; a provider that knows the very same request again does nothing."""
        if not (dedups(sent.provider, sent.operation) and any(sent == one for one, _ in self.booked)):
            self.booked.append((sent, at_s))

    def times(self, intent_id: str) -> int:
        """How often an intent is in effect."""
        return sum(sent.intent_id == intent_id for sent, _ in self.booked)

    def shows(self, reference: str, since_s: float) -> bool:
        """Does it stand in the books of that time under this reference?"""
        return any(sent.reference == reference and at_s >= since_s for sent, at_s in self.booked)

    def is_late(self, intent_id: str) -> bool:
        return any(intent_id == sent.intent_id for sent, _ in self.late)


class Asked(Scripted):
    """A provider whose every answer is chosen when a call has come to it. Asked by the test, it goes by script."""

    def authorise(self) -> Auth:
        call = current()
        if call is None:
            return super().authorise()
        found: Auth = call.ask(Question("login"))
        return found

    def send(self, payment: Payment, auth: Auth) -> Answer:
        call = current()
        if call is None:
            return super().send(payment, auth)
        assert payment.body is not None
        self.sent.append((payment.id, payment.body))
        found: Answer = call.ask(Question("request", payment))
        return found

    def baseline(self, payment: Payment, auth: Auth) -> Mapping[str, Any] | None:
        call = current()
        if call is None:
            return super().baseline(payment, auth)
        found: Mapping[str, Any] | None = call.ask(Question("baseline", payment))
        return found

    def check(self, doubt: Doubt, books: Books, auth: Auth) -> CheckResult:
        call = current()
        if call is None:
            return super().check(doubt, books, auth)
        found: CheckResult = call.ask(Question("books", doubt.payment))
        return found


def dedups(provider: str, operation: Operation) -> bool:
    """Does a repeated request do nothing at this provider?"""
    return (provider, operation) == ("safe", Operation.SETTLE)
