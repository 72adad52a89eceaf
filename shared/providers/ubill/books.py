"""ubill's books as a night's comparison reads them: an account's payments, and the list of all."""

import re
from collections.abc import Mapping
from datetime import timedelta, timezone
from functools import partial
from typing import Any

from pydantic import ValidationError

from shared.domain.records import BookLine, Period
from shared.providers import reading
from shared.providers.base import BookPage, Statement
from shared.providers.http import Http
from shared.providers.ubill import key
from shared.providers.ubill.bodies import CURRENCY, minor
from shared.providers.ubill.listing import added, moment, rows_of
from shared.providers.ubill.records import Paid, Rows
from shared.providers.ubill.wire import says_success
from shared.settings import UbillSettings


def statement(http: Http, settings: UbillSettings) -> Statement:
    """Both lists come in one answer each; the same payment has another id in each of them."""
    return Statement(partial(_account, http, settings), partial(_listing, http, settings))


def _account(http: Http, settings: UbillSettings, account: str) -> list[BookLine]:
    what = "payments of an account"
    if not re.fullmatch("[0-9]{1,16}", account, re.ASCII):
        raise reading.unlike(what, "there is no such account")
    rows = rows_of(_read(http, settings, f"/payments/account/{account}", what), int(account))
    if rows is None:
        raise reading.unlike(what)
    if not rows.whole:
        raise reading.unlike(what, "the list is not whole")
    return [_line(what, row, account, _zone(settings), touched=True) for row in rows.data]


def _listing(http: Http, settings: UbillSettings, period: Period, _position: Mapping[str, Any] | None) -> BookPage:
    """The rows of the period, and those without a date that can be read. There are no pages."""
    what = "the list of all payments"
    document = _read(http, settings, "/payments", what)
    if not says_success(document):
        raise reading.unlike(what)
    try:
        rows = Rows[Paid].model_validate(document)
    except ValidationError:
        raise reading.unlike(what) from None
    if not rows.whole:
        raise reading.unlike(what, "the list is not whole")
    zone = _zone(settings)
    found = []
    for row in rows.data:
        at = moment(row.date, zone)
        if at is None or period.start <= at < period.end:
            found.append(_line(what, row, row.accountID or "", zone, touched=False))
    return BookPage(found, None)


def _read(http: Http, settings: UbillSettings, path: str, what: str) -> Any:
    auth = key.auth(settings)
    outcome = http.read("GET", path, headers=auth.headers)
    reading.let_in("ubill", outcome, auth, key_alone=True)
    document = reading.document(what, outcome)
    if says_success(document):
        http.keep(outcome)
    return document


def _line(what: str, row: Paid, account: str, zone: timezone, *, touched: bool) -> BookLine:
    amount_minor = minor(row.sum)
    if amount_minor is None:
        raise reading.unlike(what, "a sum can't be read")
    return BookLine(
        kind="payment" if added(row) else "other",
        account=account,
        marker=row.comment or None,
        amount_minor=amount_minor,
        currency=CURRENCY,
        at=moment(row.date, zone),
        reference=row.id,
        status=None if row.typeID is None else f"typeID {row.typeID}",
        touched=touched,
    )


def _zone(settings: UbillSettings) -> timezone:
    return timezone(timedelta(hours=settings.utc_offset_h))
