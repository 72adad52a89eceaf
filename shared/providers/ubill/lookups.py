"""ubill's look-ups: its documented reads, and the one write that is no payment (a credit)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.providers import answer_meanings
from shared.providers.base import LoginRefused, Lookup, LookupFailed
from shared.providers.http import Http
from shared.providers.parameters import must_fit
from shared.providers.raw_answers import Fault, HttpAnswer, HttpFault
from shared.providers.ubill import bodies, key
from shared.providers.ubill.records import Account, Paid, Rows
from shared.providers.ubill.wire import message, status_id
from shared.settings.sections import UbillSettings

Parameters = Mapping[str, tuple[type, bool, str]]


@dataclass(frozen=True, slots=True)
class _Read:
    """One documented read. in_path: the parameter that ends the path, a number above zero."""

    help: str
    path: str
    answer: TypeAdapter[Any]
    parameters: Parameters
    in_path: str | None = None


_ACCOUNTS: TypeAdapter[Any] = TypeAdapter(Rows[Account])
_PAYMENTS: TypeAdapter[Any] = TypeAdapter(Rows[Paid])
_AS_IT_COMES: TypeAdapter[Any] = TypeAdapter(Any)  # the document shows no answer of these
_ACCOUNT: Parameters = {"id": (int, True, "the account's id")}
_CUSTOMER: Parameters = {"id": (int, True, "the customer's id")}
_SEARCH: Parameters = {
    "type": (str, True, "what to search by; the document shows mobile"),
    "value": (str, True, "what to search for; a number in international form, without 00 or +"),
}
_CREDIT: Parameters = {
    "accountID": (int, True, "the account's id"),
    "date": (str, True, "the credit's last day, like 2027-01-31"),
}

_READS: Mapping[str, _Read] = {
    "accounts": _Read("all accounts", "/accounts", _ACCOUNTS, {}),
    "account": _Read("one account", "/accounts/", _ACCOUNTS, _ACCOUNT, "id"),
    "accounts_search": _Read("accounts by a field", "/accounts/search", _AS_IT_COMES, _SEARCH),
    "customers": _Read("all customers", "/customers", _AS_IT_COMES, {}),
    "customer": _Read("one customer", "/customers/", _AS_IT_COMES, _CUSTOMER, "id"),
    "customers_search": _Read("customers by a field", "/customers/search", _AS_IT_COMES, _SEARCH),
    "customer_accounts": _Read("a customer's accounts", "/customers/accounts/", _ACCOUNTS, _CUSTOMER, "id"),
    "payments": _Read("payments of all accounts, newest first", "/payments", _PAYMENTS, {}),
    "account_payments": _Read("an account's payments, oldest first", "/payments/account/", _PAYMENTS, _ACCOUNT, "id"),
}
_UPSTREAMS = ("account",)


def entries(http: Http, settings: UbillSettings) -> Mapping[str, Lookup]:
    """Every look-up by name; each `call` returns plain JSON data or raises LookupFailed."""
    reads = {
        n: Lookup(read.help, read.parameters, partial(_read, http, settings, n), upstreams=n in _UPSTREAMS)
        for n, read in _READS.items()
    }
    credit = partial(_set_credit, http, settings)
    return {**reads, "set_credit": Lookup("give an account a credit until a date", _CREDIT, credit)}


def _read(http: Http, settings: UbillSettings, lookup: str, /, **given: Any) -> Any:
    read = _READS[lookup]
    must_fit(f"ubill {lookup}", read.parameters, given)
    path = read.path
    if read.in_path is not None:
        path += str(_id(lookup, given.pop(read.in_path)))
    document = _document(lookup, settings, lambda headers: http.read("GET", path, headers=headers, params=given))
    try:
        valid = read.answer.validate_python(document)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])  # never the value
        raise LookupFailed(f"ubill {lookup}: {where} is not as documented") from None
    return read.answer.dump_python(valid, mode="json", exclude_unset=True)


def _set_credit(http: Http, settings: UbillSettings, /, **given: Any) -> Any:
    """A write: sent once, never repeated. Where nobody knows whether it was made, the message says so."""
    must_fit("ubill set_credit", _CREDIT, given)
    body = bodies.credit_body(_id("set_credit", given["accountID"]), _day(given["date"]))

    def call(headers: Mapping[str, str]) -> HttpAnswer | HttpFault:
        return http.call("POST", bodies.SET_CREDIT, headers=headers, body=body)

    advice = "; look at the account's creditDate before you try again"
    document = _document("set_credit", settings, call, advice)
    return {"statusID": 0, "message": message(document)}


def _document(
    lookup: str,
    settings: UbillSettings,
    call: Callable[[Mapping[str, str]], HttpAnswer | HttpFault],
    advice: str = "",
) -> Any:
    """The JSON of an answer that says success. Raises LookupFailed; advice: what its message ends with."""
    try:
        outcome = call(key.auth(settings).headers)
    except LoginRefused as error:
        raise LookupFailed(str(error)) from None
    if isinstance(outcome, HttpFault):
        why = _FAULTS.get(outcome.kind, f"no answer ({outcome.kind})")
        raise LookupFailed(f"ubill {lookup}: {why}{advice}")
    document = answer_meanings.document(outcome)
    if outcome.status != 200 or not (status_id(document) == 0 or (lookup == "payments" and _listed(document))):
        said = message(document) or "the answer says no success"
        raise LookupFailed(f"ubill {lookup}: HTTP {outcome.status}: {said}{advice}")
    return document


def _listed(document: Any) -> bool:
    """Trap: the list of all payments has `"status": true` in place of `statusID`."""
    return isinstance(document, dict) and "statusID" not in document and document.get("status") is True


_FAULTS = {
    Fault.NOT_CONNECTED: "no connection, nothing was sent",
    Fault.TOO_LARGE: "the answer is larger than SETTLEPIPE_HTTP__MAX_BODY_BYTES; raise it",
}


def _id(lookup: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise LookupFailed(f"ubill {lookup}: an id is a number above zero")
    return value


def _day(value: Any) -> str:
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise LookupFailed("ubill set_credit: date must be a day like 2027-01-31")
