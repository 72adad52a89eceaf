"""billcenter's books as a night's comparison reads them: running totals of invoices, no payments.

An invoice is read by its code. The list of invoices has no filter for when money came, so it is asked for newest
change first (our reading: `ordering` takes `-updated_at`) and read until what was changed last before the period.
Rows that change while it is read only move forward: what comes twice is told by its code, and what is missed has been
changed after the period, and stands in the next one's list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.domain.records import BookLine, Period
from shared.providers import reading
from shared.providers.base import BookPage, Statement
from shared.providers.billcenter.bodies import CURRENCY, minor
from shared.providers.billcenter.lookups import PAGE_SIZE, PREFIX
from shared.providers.billcenter.records import Page
from shared.providers.credentials import TokenSource
from shared.providers.http import Http
from shared.providers.raw_answers import HttpAnswer, HttpFault

MAX_PAGES = 100_000
_PAGE = TypeAdapter(Page[Any])


@dataclass(frozen=True, slots=True)
class _Row:
    """What is used of an invoice. raw: as it came. invoice_code, paid_minor: None where they can't be read."""

    raw: object
    invoice_code: str | None
    paid_minor: int | None
    at: datetime | None
    number: str | None
    status: str | None


@dataclass(frozen=True, slots=True)
class StatementReads:
    """The reads. Thread-safe."""

    http: Http
    tokens: TokenSource

    def statement(self) -> Statement:
        return Statement(self._account, self._listing)

    def _account(self, account: str) -> list[BookLine]:
        """The one invoice with this code. A row that can't be read may be a second one."""
        what = "an invoice"
        outcome = self._read({"invoice_code": account, "page_size": PAGE_SIZE})
        page = _page(what, outcome)
        self.http.keep(outcome)
        rows = [_row(raw) for raw in page.results]
        found = [row for row in rows if row.invoice_code in (account, None)]
        if any(row.paid_minor is None for row in found):
            raise reading.unlike(what)
        if len(found) != 1 or page.count != len(rows):
            raise reading.unlike(what, f"{len(found)} of {page.count} found have this code; one is needed")
        return [_line(found[0], touched=True)]

    def _listing(self, period: Period, position: Mapping[str, Any] | None) -> BookPage:
        number, full = (int(position["page"]), int(position["full"])) if position else (1, 0)
        what = f"page {number} of the list of invoices"
        if number > MAX_PAGES:
            raise reading.unlike(what, "it does not end")
        outcome = self._read({"ordering": "-updated_at", "page": number, "page_size": PAGE_SIZE})
        if number > 1 and isinstance(outcome, HttpAnswer) and outcome.status == 404:
            return BookPage([], None)  # the page before was the last one, and full
        page = _page(what, outcome)
        self.http.keep(outcome)
        rows, full = [_row(raw) for raw in page.results], max(full, len(page.results))
        if not rows and page.count > (number - 1) * full:
            raise reading.unlike(what, f"it is empty where {page.count} rows are announced")
        recent = [_line(row, touched=False) for row in rows if row.at is None or row.at >= period.start]
        ended = len(rows) < full or _passed([row.at for row in rows], period) or number * full >= page.count
        return BookPage(recent, None if ended else {"page": number + 1, "full": full})

    def _read(self, params: Mapping[str, Any]) -> HttpAnswer | HttpFault:
        auth = self.tokens.authorise()
        outcome = self.http.read("GET", PREFIX + "invoices/", headers=auth.headers, params=params)
        if isinstance(outcome, HttpAnswer) and outcome.status == 200:
            self.tokens.worked(auth)
        if isinstance(outcome, HttpAnswer) and outcome.status == 401:
            self.tokens.forget(auth)
        reading.let_in("billcenter", outcome, auth)
        return outcome


def _page(what: str, outcome: HttpAnswer | HttpFault) -> Page[Any]:
    try:
        return _PAGE.validate_python(reading.document(what, outcome))
    except ValidationError:
        raise reading.unlike(what) from None


def _passed(dates: Sequence[datetime | None], period: Period) -> bool:
    """Is all that follows older than the period? Only where this page is seen to be in the order asked for."""
    known = [at for at in dates if at is not None]
    in_order = len(known) == len(dates) and all(newer >= older for newer, older in pairwise(known))
    return bool(known) and in_order and known[-1] < period.start


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _row(raw: Any) -> _Row:
    given = raw if isinstance(raw, dict) else {}
    code, status, at = (given.get(name) for name in ("invoice_code", "status", "updated_at"))
    paid_minor = minor(given.get("amount_paid"))
    if isinstance(code, int) and not isinstance(code, bool):  # codes come as numbers, too
        code = str(code)
    readable = isinstance(code, str) and isinstance(status, str | None)
    return _Row(
        raw,
        code if isinstance(code, str) else None,
        paid_minor if readable else None,
        _moment(at) if isinstance(at, str) else None,
        str(given["id"]) if isinstance(given.get("id"), str | int) else None,
        status if isinstance(status, str) else None,
    )


def _line(row: _Row, *, touched: bool) -> BookLine:
    if row.invoice_code is None or row.paid_minor is None:
        return reading.unreadable(row.raw, row.invoice_code or "", CURRENCY, row.at, touched=touched)
    return BookLine(
        kind="total",
        account=row.invoice_code,
        marker=None,
        amount_minor=row.paid_minor,
        currency=CURRENCY,
        at=row.at,
        reference=row.number,
        status=row.status,
        touched=touched,
    )
