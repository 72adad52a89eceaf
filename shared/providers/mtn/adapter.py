"""mtn's verbs. What requests and answers look like is in `bodies` and `wire`, why in the README beside this file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.domain.answers import Answer, CheckResult
from shared.domain.payment import Payment
from shared.domain.request import Built, Request
from shared.providers import answer_meanings, markers
from shared.providers.answer_meanings import Unread
from shared.providers.base import Auth, Doubt
from shared.providers.http import Http
from shared.providers.markers import Learner, Line
from shared.providers.mtn import wire
from shared.providers.mtn.account import payments_of
from shared.providers.mtn.bodies import settle_body, target_of
from shared.providers.mtn.login import Door
from shared.providers.mtn.lookups import Lookups
from shared.providers.ours import Books, Directory
from shared.providers.raw_answers import HttpAnswer
from shared.settings.sections import MtnSettings


class Mtn:
    """The verbs of `Provider`."""

    def __init__(self, settings: MtnSettings, http: Http, door: Door, lookups: Lookups) -> None:
        self._settings, self._http, self._door, self._lookups = settings, http, door, lookups
        self._headers = headers(settings)
        self._learner = Learner()

    def build(self, payment: Payment, _directory: Directory) -> Built:
        target = target_of(payment)
        return Request(target.path, settle_body(payment, target), books_key=target.books_key)

    def authorise(self) -> Auth:
        return self._door.authorise()

    def forget(self, auth: Auth) -> bool:
        return self._door.forget(auth)

    def send(self, payment: Payment, auth: Auth) -> Answer:
        if payment.path is None or payment.body is None:
            raise ValueError(f"payment {payment.id} has no frozen request; build it before sending")
        sent = {**auth.headers, **self._headers, "transactionId": payment.sent_reference}
        outcome = self._http.call("PATCH", payment.path, headers=sent, body=payment.body)
        if isinstance(outcome, HttpAnswer) and outcome.status in (200, 400):  # past the door
            self._door.worked(auth)
        answer = wire.read(outcome, key_alone=self._door.key_alone, reference=payment.sent_reference)
        if answer_meanings.explicit(answer):
            self._http.keep(outcome)
        return answer

    def baseline(self, _payment: Payment, _auth: Auth) -> Mapping[str, Any] | None:
        return None  # no operation needs one

    def check(self, doubt: Doubt, books: Books, auth: Auth) -> CheckResult:
        payment, target = doubt.payment, target_of(doubt.payment)
        expected = books.succeeded(target.books_key)  # before the list: it has to hold these
        found = self._lookups.paid(target, auth)
        if isinstance(found, Unread):
            return found.result
        told = payments_of(found.data, payment.currency)
        gives_back = self._gives_back(payment)
        result = markers.judge(_dated(doubt), told.lines, expected, books, gives_back, whole=told.whole)
        level = target.books_level
        return markers.confirm(result, payment, books, gives_back, lambda other: self._lines(other, auth), under=level)

    def learn(self, payment: Payment, books: Books, auth: Auth) -> None:
        """After an explicit success: does the list of payments give our reference back, as a check has to rely on?"""
        books_key = target_of(payment).books_key
        self._learner.learn(payment, books, self._gives_back(payment), books_key, lambda: self._lines(payment, auth))

    def _lines(self, payment: Payment, auth: Auth) -> Sequence[Line] | None:
        """What the list of this payment's account holds; None where it could not be read whole."""
        found = self._lookups.paid(target_of(payment), auth)
        told = None if isinstance(found, Unread) else payments_of(found.data, payment.currency)
        return told.lines if told and told.whole else None

    def _gives_back(self, payment: Payment) -> str:
        """One fact for each system behind the API and each level: what one gives back another may not."""
        of = self._settings
        key = of.api_key and of.api_key.get_secret_value()
        where = (of.base_url, of.country_code, of.target_system, target_of(payment).customer_type)
        return markers.fact(*where, key, of.client_id)


def headers(settings: MtnSettings) -> Mapping[str, str]:
    """Those that go with every call, where configured."""
    named = {"countryCode": settings.country_code, "targetSystem": settings.target_system}
    return {name: value for name, value in named.items() if value}


def _dated(doubt: Doubt) -> Doubt:
    """The list dates a payment with the day that we gave it, which is `paid_at`'s: a payment that was sent days later
    must not pass for one of somebody else long before."""
    first = doubt.first_sent_at and min(doubt.first_sent_at, doubt.payment.paid_at)
    return replace(doubt, first_sent_at=first)
