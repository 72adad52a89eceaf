"""ubill's books as a night's comparison reads them: an account's payments, and the list of all."""

import re
from collections.abc import Mapping
from datetime import timedelta, timezone
from functools import partial
from typing import Any

from shared.domain.records import BookLine, Period
from shared.providers import reading
from shared.providers.base import BookPage, Statement
from shared.providers.http import Http
from shared.providers.ubill import key
from shared.providers.ubill.bodies import CURRENCY
from shared.providers.ubill.listing import Row, account_rows, rows
from shared.providers.ubill.wire import says_success
from shared.settings.sections import UbillSettings


def statement(http: Http, settings: UbillSettings) -> Statement:
    """Both lists come in one answer each; the same payment has another id in each of them."""
    return Statement(partial(_account, http, settings), partial(_listing, http, settings))


def _account(http: Http, settings: UbillSettings, account: str) -> list[BookLine]:
    what = "payments of an account"
    if not re.fullmatch("[0-9]{1,16}", account, re.ASCII):
        raise reading.unlike(what, "there is no such account")
    found = account_rows(_read(http, settings, f"/payments/account/{account}", what), int(account), _zone(settings))
    if found is None:
        raise reading.unlike(what)
    if not found.whole:
        raise reading.unlike(what, "the list is not whole")
    for row in found.rows:
        if row.odd and reading.reference_in(row.raw):
            raise reading.unlike(what, row.odd)
    return [_line(row, account, touched=True) for row in found.rows]


def _listing(http: Http, settings: UbillSettings, period: Period, _position: Mapping[str, Any] | None) -> BookPage:
    """The rows of the period, and those without a date that can be read. There are no pages."""
    what = "the list of all payments"
    document = _read(http, settings, "/payments", what)
    if not says_success(document):
        raise reading.unlike(what)
    found = rows(document, _zone(settings))
    if found is None:
        raise reading.unlike(what)
    if not found.whole:
        raise reading.unlike(what, "the list is not whole")
    recent = [row for row in found.rows if row.at is None or period.start <= row.at < period.end]
    return BookPage([_line(row, row.account_id or "", touched=False) for row in recent], None)


def _read(http: Http, settings: UbillSettings, path: str, what: str) -> Any:
    auth = key.auth(settings)
    outcome = http.read("GET", path, headers=auth.headers)
    reading.let_in("ubill", outcome, auth, key_alone=True)
    document = reading.document(what, outcome)
    if says_success(document):
        http.keep(outcome)
    return document


def _line(row: Row, account: str, *, touched: bool) -> BookLine:
    if row.odd is not None or row.amount_minor is None:
        return reading.unreadable(row.raw, account, CURRENCY, row.at, touched=touched)
    return BookLine(
        kind="payment" if row.added else "other",
        account=account,
        marker=row.comment or None,
        amount_minor=row.amount_minor,
        currency=CURRENCY,
        at=row.at,
        reference=row.number,
        status=None if row.type_id is None else f"typeID {row.type_id}",
        touched=touched,
    )


def _zone(settings: UbillSettings) -> timezone:
    return timezone(timedelta(hours=settings.utc_offset_h))
