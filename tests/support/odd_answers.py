"""Every way in which an adapter reads an answer, over an HTTP that gives the same bytes to whatever is asked."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.payment import Operation
from shared.domain.records import Period
from shared.providers.base import Connected, Registration
from shared.providers.http import Http
from shared.providers.raw_answers import HttpAnswer
from shared.providers.registry import REGISTRATIONS
from tests.providers.contract.case import LOGIN, case_of, on, required
from tests.support import bmms

PERIOD = Period(datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC), "UTC")
_SERVICE = {"id": 140, "name": "made up", "biller_service": 140, "account": "8000000001", "with_noat": True}
_ACCOUNT = {"id": "900001", "name": "Made Up", "balance": "-9.71", "statusID": "2", "createdAt": "2026-07-01 21:32:31"}
_INVOICE = {
    "bill_term": "03/2031",
    "product_oid": "00000000-0000-4000-8000-000000000001",
    "subscriber_no1": "900000001",
    "expense_amount": "0.00",
    "partial_payment_allowed": "0",
    "invoice_date": "20310410",
    "bill_due_date": "10-04-2031",
    "subscriber_name": "AY****YI**** ",
    "invoice_amount": "168.25",
    "payment_order_no": "1",
}
# What each one's reads answer, in one of the forms at least.
_READS: Mapping[str, tuple[Any, ...]] = {
    "billcenter": (
        {"count": 1, "results": [_SERVICE]},
        {"invoices": [{"id": 7, "invoice_code": "900000001", "amount_paid": "1.00"}], "combained_detail": []},
        {"SearchList": [{"BillerID": 1, "Dun": 12.5}]},
        [_SERVICE],
    ),
    "ubill": (
        {"statusID": 0, "message": "Success", "draw": 0, "recordsTotal": 1, "recordsFiltered": 1, "data": [_ACCOUNT]},
        {"statusID": 0, "result": [{"number": "995500000001", "statusID": "1"}]},
        {"statusID": 0, "sms": 71, "smsBalance": "12"},
    ),
    "mtn": ({"resultCode": "0000", "data": [{"idType": "x", "appliedPayment": None, "billNumber": "1"}]},),
    "invoicepayment": ({"status": 0, "code": "100", "message": None, "payload": [_INVOICE]},),
    "bmms": (bmms.document(),),
}


def seeds(provider: str) -> list[bytes]:
    """Answers as its document has them: to payments, to checks, to reads."""
    found = [json.dumps(one).encode() for one in _READS[provider]]
    for documented in case_of(provider).documented.values():
        found += [body for _, body in (*documented.successes, *documented.refusals)]
        found += [shown.body for shown in documented.shows.values()]
    return list(dict.fromkeys(body for body in found if body.strip()))


@contextmanager
def answering(*, login: bool = False) -> Iterator[list[HttpAnswer]]:
    """Whatever is asked gets the one answer in the list; log-ins let in, unless it is they that are to get it."""
    said: list[HttpAnswer] = []

    def answered(_self: Http, _method: str, path: str, **_: Any) -> HttpAnswer:
        opens = "token" in path and not login
        return HttpAnswer(200, {}, json.dumps(LOGIN).encode()) if opens else said[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Http, "read", answered)
        patch.setattr(Http, "call", answered)
        yield said


def connected(registration: Registration) -> Connected:
    return on(registration, "http://127.0.0.1:1", 0.05)


Ask = Callable[[Connected], object]


def _lookup(provider: str, name: str) -> Ask:
    given = case_of(provider).given

    def ask(at: Connected) -> object:
        found = at.lookups[name].call(**required(at, name, given))
        show = at.lookups[name].show
        return found, [] if show is None else [tuple(one.rows) for one in show(found)]

    return ask


def _account(at: Connected) -> object:
    assert at.statement is not None
    return at.statement.account("900001")


def _listing(at: Connected) -> object:
    assert at.statement is not None
    assert at.statement.listing is not None
    return at.statement.listing(PERIOD, None)


def reads() -> Iterator[tuple[str, str, Ask]]:
    """(provider, name, how it is asked) of every look-up, list, statement and report of delivery."""
    for provider, registration in REGISTRATIONS.items():
        at = connected(registration)
        for name in at.lookups:
            yield provider, f"lookup {name}", _lookup(provider, name)
        for name in at.refreshes:
            yield provider, f"list {name}", lambda to, name=name: list(to.refreshes[name]())  # type: ignore[misc]
        if at.statement is not None:
            yield provider, "account", _account
            if at.statement.listing is not None:
                yield provider, "listing", _listing
        if at.reports is not None:
            yield provider, "reports", lambda to: to.reports and to.reports("71")
        if at.renew is not None:
            yield provider, "login", lambda to: to.renew and to.renew(None)


OPERATIONS = [
    (name, operation)
    for name, registration in REGISTRATIONS.items()
    for operation in (*registration.operations, *case_of(name).documented)
    if not isinstance(operation, Operation) or operation in registration.operations
]
