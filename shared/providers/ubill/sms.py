"""ubill's text messages: the one that follows a payment, and the reports of delivery."""

from collections.abc import Mapping, Sequence
from string import Template
from urllib.parse import quote

from shared.domain.answers import Answer
from shared.domain.codes import Code
from shared.domain.money import format_amount
from shared.domain.payment import Payment
from shared.domain.records import DeliveryReport
from shared.domain.request import Built, Refusal, Request
from shared.providers import answer_meanings
from shared.providers.base import Auth, FollowUp, LoginRefused, LookupFailed
from shared.providers.http import Http
from shared.providers.ours import Directory
from shared.providers.raw_answers import HttpAnswer, HttpFault
from shared.providers.ubill import key, sms_wire
from shared.providers.ubill.sms_wire import Message
from shared.settings.sections import UbillSettings


class Sms:
    """Thread-safe. Nothing here is sent twice."""

    def __init__(self, settings: UbillSettings, http: Http) -> None:
        self._settings, self._http = settings, http

    def follow_up(self) -> FollowUp:
        """The message that follows a payment."""
        return FollowUp(self.build, self.send, self._settings.sms_max_age_s)

    def build(self, payment: Payment, directory: Directory) -> Built:
        """The message of a payment of any provider."""
        number = (payment.notify or {}).get("sms")
        if self._settings.brand_id is None:
            return Refusal("no brand to send under; set SETTLEPIPE_UBILL__BRAND_ID", Code.MESSAGE_NOT_POSSIBLE)
        if not isinstance(number, str) or not sms_wire.is_number(number):
            return Refusal(
                "the number is not written as ubill takes it (international, without 00 or +)",
                Code.MESSAGE_NOT_POSSIBLE,
            )
        message = Message(number, text_of(self._settings.sms_text, payment))
        return Request(sms_wire.SEND, sms_wire.body(self._settings.brand_id, [message]))

    def send(self, request: Request, auth: Auth) -> Answer:
        """Send it once."""
        outcome = self._http.call("POST", request.path, headers=auth.headers, body=request.body)
        answer = sms_wire.read(outcome)
        if answer_meanings.explicit(answer):
            self._http.keep(outcome)
        return answer

    def reports(self, sms_id: str) -> Sequence[DeliveryReport]:
        """What is said of the delivery of a sent message. Raises LookupFailed."""
        outcome = get(self._http, self._settings, "sms_report", f"/sms/report/{quote(sms_id, safe='')}")
        found = sms_wire.reports(answer_meanings.document(outcome))
        if found is None:
            raise LookupFailed("ubill sms_report: the answer is not as documented, or says no success")
        return found


def text_of(template: str, payment: Payment) -> str:
    """The text of a payment's message."""
    return Template(template).safe_substitute(
        amount=format_amount(payment.amount_minor, payment.currency),
        currency=payment.currency,
        intent_id=payment.intent_id,
        source=payment.source,
    )


def get(http: Http, settings: UbillSettings, lookup: str, path: str) -> HttpAnswer:
    """A read with status 200; the key goes into the header, never into the URL. Raises LookupFailed."""
    outcome = http.read("GET", path, headers=headers(settings))
    if isinstance(outcome, HttpFault):
        raise LookupFailed(f"ubill {lookup}: no answer ({outcome.kind})")
    if outcome.status != 200:
        raise LookupFailed(f"ubill {lookup}: HTTP {outcome.status}")
    return outcome


def headers(settings: UbillSettings) -> Mapping[str, str]:
    """What lets a look-up in. Raises LookupFailed."""
    try:
        return key.auth(settings).headers
    except LoginRefused as error:
        raise LookupFailed(str(error)) from None
