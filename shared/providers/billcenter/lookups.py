"""billcenter's reads: the invoice of a check, the lists that are refreshed, and the look-ups for people."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from shared.domain.records import DirectoryRow
from shared.providers import answer_meanings
from shared.providers.answer_meanings import DOWN, DOWN_FAULTS, Unread
from shared.providers.base import Auth, LoginRefused, LoginUnavailable, Lookup, LookupFailed, Refresh, RefreshFailed
from shared.providers.billcenter.reads import READS, Read
from shared.providers.billcenter.records import BankAccount, Invoice, Page, Service
from shared.providers.credentials import TokenSource
from shared.providers.http import Http
from shared.providers.parameters import must_fit
from shared.providers.raw_answers import HttpAnswer, HttpFault, parse_json

PREFIX = "/api/third_party/"
PAGE_SIZE = 100  # asked for; the server may give less, the end is told by `count`
MAX_PAGES = 1000
_UPSTREAMS = ("biller_categories", "biller_services", "biller_service", "combined_detail_bill")


Row = TypeVar("Row", Service, BankAccount)


class _OfInvoice(Protocol):
    @property
    def invoice_code(self) -> str: ...
    @property
    def bs_customer_code(self) -> str: ...


class Lookups:
    """The reads. Thread-safe."""

    def __init__(self, http: Http, tokens: TokenSource) -> None:
        self._http, self._tokens = http, tokens

    def invoice(self, of: _OfInvoice, auth: Auth) -> Invoice | Unread:
        """The one invoice with this code and customer. One read with `auth`; a 401 forgets it."""
        params = {"invoice_code": of.invoice_code, "bs_customer_code": of.bs_customer_code}
        outcome = self._http.read("GET", PREFIX + "invoices/", headers=auth.headers, params=params)
        if isinstance(outcome, HttpFault):
            return Unread(f"the invoice could not be read: {outcome.kind}", outcome.kind in DOWN_FAULTS)
        if outcome.status == 401:
            self._tokens.forget(auth)
        if outcome.status != 200:
            down = answer_meanings.kind_of(outcome) in DOWN
            return Unread(
                f"the invoice could not be read: HTTP {outcome.status}", down, retry_after_s=outcome.retry_after_s
            )
        self._tokens.worked(auth)
        try:
            page = _INVOICES.validate_python(parse_json(outcome.body))
        except ValueError:  # also pydantic's
            return Unread("the invoice could not be read: the answer is not as documented")
        self._http.keep(outcome)
        found = [
            invoice
            for invoice in page.results
            if (invoice.invoice_code, invoice.bs_customer_code) == (of.invoice_code, of.bs_customer_code)
        ]
        # More rows than ours means that the filters were not applied: then nothing says that this is the only one.
        if len(found) != 1 or page.count != 1:
            detail = f"{len(found)} invoices of {page.count} found have this code and customer; one is needed"
            return Unread(detail, answered=True)
        return found[0]

    def entries(self) -> Mapping[str, Lookup]:
        """Every look-up by name; each `call` returns plain JSON data or raises LookupFailed."""
        return {
            name: Lookup(read.help, read.parameters, self._entry(name, read), upstreams=name in _UPSTREAMS)
            for name, read in READS.items()
        }

    def refreshes(self) -> Mapping[str, Refresh]:
        """The lists that the store keeps a copy of; each is fetched whole or not at all."""
        return {
            "bank_accounts": lambda: [
                _row(row, str(row.biller_service)) for row in self._all("bank_accounts", _ACCOUNTS)
            ],
            "services": lambda: [_row(row, str(row.id)) for row in self._all("biller_services", _SERVICES)],
        }

    def _entry(self, name: str, read: Read) -> Callable[..., Any]:
        def call(**given: Any) -> Any:
            must_fit(f"billcenter {name}", read.parameters, given)
            mistake = read.mistake(given)
            if mistake is not None:
                raise LookupFailed(f"billcenter {name}: {mistake}")
            in_path = quote(str(given.pop(read.in_path)), safe="") + "/" if read.in_path else ""
            status, document = 404, None
            for path in read.paths:
                status, document = self._ask(read.method, PREFIX + path + in_path, given)
                if status != 404:
                    break
            if status != 200:
                raise LookupFailed(f"billcenter {name}: HTTP {status}")
            try:
                return read.answer.dump_python(read.answer.validate_python(document), mode="json", by_alias=True)
            except ValidationError as error:
                raise LookupFailed(f"billcenter {name}: {_where(error)} is not as documented") from None

        return call

    def _ask(self, method: str, path: str, params: Mapping[str, Any]) -> tuple[int, Any]:
        """Status and JSON of a read, logged in again once if the token is refused. Raises LookupFailed."""
        outcome = self._read_once(method, path, params)
        if outcome.status == 401:
            outcome = self._read_once(method, path, params)
        return outcome.status, _json(outcome) if outcome.status == 200 else None

    def _read_once(self, method: str, path: str, params: Mapping[str, Any]) -> HttpAnswer:
        try:
            auth = self._tokens.authorise()
        except (LoginRefused, LoginUnavailable) as error:
            raise LookupFailed(str(error)) from None
        outcome = self._http.read(method, path, headers=auth.headers, params=params)
        if isinstance(outcome, HttpFault):
            raise LookupFailed(f"billcenter did not answer ({outcome.kind}); try again later")
        if outcome.status == 200:
            self._tokens.worked(auth)
        if outcome.status == 401:
            self._tokens.forget(auth)
        return outcome

    def _all(self, name: str, page_of: TypeAdapter[Page[Row]]) -> Iterator[Row]:
        """Every row of a list. Raises RefreshFailed unless every page came and they fit together."""
        seen: dict[int, Row] = {}
        count: int | None = None
        for number in range(1, MAX_PAGES + 1):
            page = self._page(name, page_of, number)
            if count is not None and page.count != count:
                raise RefreshFailed(f"billcenter {name}: the list changed while it was read; try again")
            count = page.count
            new = {row.id: row for row in page.results}
            if len(new) != len(page.results) or new.keys() & seen.keys():
                raise RefreshFailed(f"billcenter {name}: page {number} repeats rows; try again")
            seen |= new
            if len(seen) == count:
                return iter(seen.values())
            if not new or len(seen) > count:
                raise RefreshFailed(f"billcenter {name}: {len(seen)} rows came where {count} were announced")
        raise RefreshFailed(f"billcenter {name}: more than {MAX_PAGES} pages")

    def _page(self, name: str, page_of: TypeAdapter[Page[Row]], number: int) -> Page[Row]:
        params = {"ordering": "id", "page": number, "page_size": PAGE_SIZE}
        try:
            status, document = self._ask("GET", f"{PREFIX}{name}/", params)
            if status != 200:
                raise RefreshFailed(f"billcenter {name}: page {number} came with HTTP {status}")
            return page_of.validate_python(document)
        except LookupFailed as error:
            raise RefreshFailed(str(error)) from None
        except ValidationError as error:
            raise RefreshFailed(f"billcenter {name}: page {number}: {_where(error)} is not as documented") from None


_INVOICES = TypeAdapter(Page[Invoice])
_ACCOUNTS = TypeAdapter(Page[BankAccount])
_SERVICES = TypeAdapter(Page[Service])


def _row(record: Service | BankAccount, key: str) -> DirectoryRow:
    return DirectoryRow(str(record.id), key, record.model_dump(mode="json"))


def _json(answer: HttpAnswer) -> Any:
    if not answer.body.strip():
        return None  # the example of single_detail_bill is empty; a list that must come is missed by its reader
    try:
        return parse_json(answer.body)
    except ValueError:
        raise LookupFailed("billcenter's answer is not JSON; try again later") from None


def _where(error: ValidationError) -> str:
    """The first field that does not fit; never its value, which may be personal."""
    return ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"]) or "the answer"
