"""mtn's reads: the payments of an account for a check, and the look-ups for people."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from shared.providers import answer_meanings
from shared.providers.answer_meanings import DOWN, DOWN_FAULTS, Unread
from shared.providers.base import Auth, LoginRefused, LoginUnavailable, Lookup, LookupFailed
from shared.providers.http import Http
from shared.providers.mtn import wire
from shared.providers.mtn.bodies import PATH, Target
from shared.providers.mtn.login import Door
from shared.providers.parameters import Parameters, must_fit
from shared.providers.raw_answers import HttpAnswer, HttpFault, plain_json

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
# Documented values: what may stand there, and how it is told to whom it does not fit.
_FORMS: Mapping[str, tuple[str, str]] = {
    "customerType": (r"[123]", "1 service, 2 account or 3 invoice"),
    "queryType": (r"unpaidBill|paidBill|completeBill", "unpaidBill, paidBill or completeBill"),
    "billingFlag": (r"[01]{3}", "three of 0 and 1, like 010"),
    "startDate": (_DAY, "a day like 2026-11-21"),
    "endDate": (_DAY, "a day like 2026-11-21"),
    "offset": (r"[0-9]+", "0 or more"),
    "limit": (r"[1-9][0-9]*", "1 or more"),
    "id": (r"(?!\.{1,2}$).+", "not empty and not dots alone"),
}
_COMMON: Mapping[str, tuple[type, bool, str]] = {
    "customerType": (int, True, _FORMS["customerType"][1]),
    "queryType": (str, True, _FORMS["queryType"][1]),
    "billingFlag": (str, False, "include unbilled amount, credit limit, deposit: 1 or 0 each, like 010"),
    "startDate": (str, False, "of the bills, like 2026-11-21"),
    "endDate": (str, False, "of the bills, like 2026-11-21"),
    "billingCycleId": (str, False, "id of a billing cycle"),
    "custom": (str, False, "reserved by mtn for other filters"),
}
_BILLS: Mapping[str, tuple[type, bool, str]] = {
    "customerId": (str, True, "value that customerType says the kind of"),
    **_COMMON,
    "offset": (int, False, "index of the first one, from 0"),
    "limit": (int, False, "how many"),
}
_BILL: Mapping[str, tuple[type, bool, str]] = {
    "id": (str, True, "number with country code, account number or invoice number"),
    **_COMMON,
}
PAID: Mapping[str, str] = {"queryType": "paidBill"}


@dataclass(frozen=True, slots=True)
class Paid:
    """`data` of a `paidBill`."""

    data: Any


class Lookups:
    """The reads. Thread-safe. headers: those that go with every call (countryCode, targetSystem)."""

    def __init__(self, http: Http, door: Door, headers: Mapping[str, str]) -> None:
        self._http, self._door, self._headers = http, door, headers

    def paid(self, target: Target, auth: Auth) -> Paid | Unread:
        """The account's payments, all of them: never filtered by date. One read; a 401 forgets `auth`.

        Raises LoginRefused for a 403, and for a 401 where there is an API key alone.
        """
        params = {"customerType": target.customer_type, **PAID}
        outcome = self.get(target.path, params, auth)
        if isinstance(outcome, HttpFault):
            return Unread(f"the payments could not be read: {outcome.kind}", outcome.kind in DOWN_FAULTS)
        if outcome.status == 403 or (outcome.status == 401 and self._door.key_alone):
            raise LoginRefused(f"mtn lets no reads in (HTTP {outcome.status}); check the credentials and their rights")
        document = answer_meanings.document(outcome)
        if outcome.status != 200:
            answered = outcome.status in (400, 404, 405) and wire.refusal_of(document) is not None
            down = answer_meanings.kind_of(outcome) in DOWN
            after_s = outcome.retry_after_s
            return Unread(f"the payments could not be read: HTTP {outcome.status}", down, answered, after_s)
        result = wire.result_of(document)
        if result is None:
            return Unread("the payments could not be read: the answer is not as documented")
        if not result.ok:
            return Unread(f"the payments could not be read: resultCode {result.shown}", answered=True)
        self._http.keep(outcome)
        return Paid(result.data)

    def entries(self) -> Mapping[str, Lookup]:
        """Every look-up by name; each `call` returns plain JSON data or raises LookupFailed."""
        return {
            "bills": Lookup("bills and payments of a customer", _BILLS, self._entry("bills", _BILLS)),
            "bill": Lookup("one bill with its payments", _BILL, self._entry("bill", _BILL), upstreams=True),
        }

    def _entry(self, name: str, parameters: Parameters) -> Callable[..., Any]:
        def call(**given: Any) -> Any:
            given = {key: value for key, value in given.items() if value is not None}
            malformed = (
                f"{key} must be {said}"
                for key, (form, said) in _FORMS.items()
                if key in given and not re.fullmatch(form, str(given[key]), re.ASCII | re.DOTALL)
            )
            must_fit(f"mtn {name}", parameters, given, malformed)
            number = given.pop("id", None)
            path = PATH + quote(number, safe="") if number is not None else PATH.rstrip("/")
            return _readable(name, self._ask(path, given))

        return call

    def _ask(self, path: str, params: Mapping[str, Any]) -> HttpAnswer:
        """The answer to a read, logged in again once if the token is refused. Raises LookupFailed."""
        outcome = self._ask_once(path, params)
        return self._ask_once(path, params) if outcome.status == 401 and not self._door.key_alone else outcome

    def _ask_once(self, path: str, params: Mapping[str, Any]) -> HttpAnswer:
        try:
            auth = self._door.authorise()
        except (LoginRefused, LoginUnavailable) as error:
            raise LookupFailed(str(error)) from None
        outcome = self.get(path, params, auth)
        if isinstance(outcome, HttpFault):
            raise LookupFailed(f"mtn did not answer ({outcome.kind}); try again later")
        return outcome

    def keep(self, outcome: HttpAnswer | HttpFault) -> None:
        """See `Http.keep`."""
        self._http.keep(outcome)

    def get(self, path: str, params: Mapping[str, Any], auth: Auth) -> HttpAnswer | HttpFault:
        """One read with `auth`; a 401 forgets it."""
        # for tracing alone; a payment's own transactionId is what it is reconciled by
        headers = {**auth.headers, **self._headers, "transactionId": str(uuid.uuid4())}
        outcome = self._http.read("GET", path, headers=headers, params=params)
        if isinstance(outcome, HttpAnswer) and outcome.status == 200:
            self._door.worked(auth)
        if isinstance(outcome, HttpAnswer) and outcome.status == 401:
            self._door.forget(auth)
        return outcome


def _readable(name: str, outcome: HttpAnswer) -> Any:
    """What was found, always in one form: the result's fields at the top, and `data` as the document has it for this
    look-up, an array of bills or one bill."""
    document = answer_meanings.document(outcome)
    if outcome.status != 200:
        reason = wire.refusal_of(document)
        raise LookupFailed(f"mtn {name}: HTTP {outcome.status}{f': {reason}' if reason else ''}")
    result = wire.result_of(document)
    if result is None:
        raise LookupFailed(f"mtn {name}: resultCode is not as documented")
    if not result.ok:
        raise LookupFailed(f"mtn {name}: {result.reason}")
    bills = result.data if isinstance(result.data, list) else [] if result.data is None else [result.data]
    if not all(isinstance(bill, dict) for bill in bills) or (name == "bill" and len(bills) > 1):
        raise LookupFailed(f"mtn {name}: data is not as documented")
    found: Any = bills if name == "bills" else next(iter(bills), None)
    said = {
        "resultCode": result.code, "resultDescription": result.description, "transactionId": result.transaction_id,
        "data": found,
    }  # fmt: skip
    return plain_json(said)
