"""ubill's verbs. What requests and answers look like is in `bodies` and `wire`, why in the README beside this file."""

from collections.abc import Mapping, Sequence
from datetime import timedelta, timezone
from typing import Any

from shared.domain.answers import Answer, CheckResult, Verdict
from shared.domain.payment import Payment
from shared.domain.request import Built, Request
from shared.providers import answer_meanings, markers
from shared.providers.answer_meanings import DOWN, DOWN_FAULTS, Unread
from shared.providers.base import Auth, Doubt, LoginRefused
from shared.providers.http import Http
from shared.providers.markers import Learner, Line
from shared.providers.ours import Books, Directory
from shared.providers.raw_answers import HttpFault
from shared.providers.ubill import bodies, key, wire
from shared.providers.ubill.listing import Listed, listed
from shared.settings.sections import UbillSettings


class Ubill:
    """The verbs of `Provider`."""

    def __init__(self, settings: UbillSettings, http: Http) -> None:
        self._settings, self._http = settings, http
        self._zone = timezone(timedelta(hours=settings.utc_offset_h))
        # Another key may not be given its markers back: it has to show it itself.
        self._gives_back = markers.fact(settings.api_key.get_secret_value())
        self._learner = Learner()

    def build(self, payment: Payment, directory: Directory) -> Built:
        account_id = _account_id(payment)
        comment, pay_system = payment.sent_reference, self._settings.pay_system
        body = bodies.settle_body(account_id, payment.amount_minor, comment, pay_system)
        return Request(bodies.ADD, body, books_key=_books_key(account_id))

    def authorise(self) -> Auth:
        return key.auth(self._settings)

    def forget(self, auth: Auth) -> bool:
        return True  # there is no other key to try

    def send(self, payment: Payment, auth: Auth) -> Answer:
        if payment.path is None or payment.body is None:
            raise ValueError(f"payment {payment.id} has no frozen request; build it before sending")
        outcome = self._http.call("POST", payment.path, headers=auth.headers, body=payment.body)
        answer = wire.read(payment.operation, outcome)
        if answer_meanings.explicit(answer):
            self._http.keep(outcome)
        return answer

    def baseline(self, payment: Payment, auth: Auth) -> Mapping[str, Any] | None:
        return None  # no operation needs one

    def check(self, doubt: Doubt, books: Books, auth: Auth) -> CheckResult:
        account_id = _account_id(doubt.payment)
        expected = books.succeeded(_books_key(account_id))  # before the list: what succeeds meanwhile may be in neither
        found = self._listed(account_id, auth)
        if isinstance(found, Unread):
            return found.result
        result = markers.judge(doubt, found.lines, expected, books, self._gives_back, whole=found.whole)
        if result.verdict is Verdict.NOT_APPLIED and _is_of_another_account(found.lines, account_id, books):
            said = "not listed, but the list holds payments of ours to another account"
            return CheckResult(Verdict.INCONCLUSIVE, said, result.evidence)
        return markers.confirm(result, doubt.payment, books, self._gives_back, lambda other: self._lines(other, auth))

    def learn(self, payment: Payment, books: Books, auth: Auth) -> None:
        """After an explicit success, until it is known: does this key get its markers back?"""
        books_key = _books_key(_account_id(payment))
        self._learner.learn(payment, books, self._gives_back, books_key, lambda: self._lines(payment, auth))

    def _lines(self, payment: Payment, auth: Auth) -> Sequence[Line] | None:
        """What the list of this payment's account holds; None where it could not be read whole."""
        found = self._listed(_account_id(payment), auth)
        return found.lines if isinstance(found, Listed) and found.whole else None

    def _listed(self, account_id: int, auth: Auth) -> Listed | Unread:
        """The account's payments, by one read. Raises LoginRefused for a 401 or 403."""
        outcome = self._http.read("GET", f"/payments/account/{account_id}", headers=auth.headers)
        if isinstance(outcome, HttpFault):
            return Unread(f"the payments could not be read: {outcome.kind}", outcome.kind in DOWN_FAULTS)
        if outcome.status in (401, 403):
            raise LoginRefused(f"ubill refused the API key (HTTP {outcome.status}); check SETTLEPIPE_UBILL__API_KEY")
        if outcome.status != 200:
            down = answer_meanings.kind_of(outcome) in DOWN
            after_s = outcome.retry_after_s
            return Unread(f"the payments could not be read: HTTP {outcome.status}", down, retry_after_s=after_s)
        found = listed(answer_meanings.document(outcome), account_id, self._zone)
        if found is not None:
            self._http.keep(outcome)
        return found or Unread("the payments could not be read: the answer is not as documented")


def _account_id(payment: Payment) -> int:
    return bodies.Target.model_validate(dict(payment.target)).account_id


def _is_of_another_account(lines: Sequence[Line], account_id: int, books: Books) -> bool:
    """A list names no account of its own (`accountID` is null); what we paid elsewhere gives it away."""
    return bool(books.elsewhere({line.marker for line in lines if line.marker}, _books_key(account_id)))


def _books_key(account_id: int) -> str:
    return f"ubill:{account_id}"
