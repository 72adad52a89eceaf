"""The endpoints that only read: lists with pages, invoices, customers, bills, addresses, the dashboard."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deploy.sandbox.billcenter import data
from deploy.sandbox.billcenter.state import Invoice, Refused, State
from deploy.sandbox.wire import Reply, as_json, detail

PAGE_SIZE = 10
MAX_PAGE_SIZE = 100

Query = Mapping[str, str]
Read = Callable[[State, Query], Reply]


def categories(state: State, query: Query) -> Reply:
    return as_json({"count": len(data.CATEGORIES), "results": data.CATEGORIES})


def services(state: State, query: Query) -> Reply:
    rows = _matching(state.services.values(), query, {"biller_category": "biller_category"})
    return _page(_found(rows, query, "service_name", "service_code"), query)


def service(state: State, id_or_code: str) -> Reply:
    for row in state.services.values():
        if id_or_code in (str(row["id"]), row["service_code"]):
            return as_json(row)
    return detail(404, "Not found.")


def bank_accounts(state: State, query: Query) -> Reply:
    """All accounts in pages. Two ways to go wrong on the way: a page that fails, a row that vanishes."""
    page = _number(query, "page", 1)
    if page == state.fail_page:
        return detail(500, "Server error")
    names = {"account": "account", "biller_service__id": "biller_service", "khut_type": "khut_type"}
    rows = _matching(state.accounts, query, names)
    for name in ("biller_service_type", "biller_category"):
        if query.get(name):
            rows = [row for row in rows if str(state.services[row["biller_service"]][name]) == query[name]]
    reply = _page(_found(rows, query, "account", "bank_name"), query)
    if page == state.vanish_after_page:
        state.vanish_after_page = None
        state.set_accounts(state.accounts[1:])
    return reply


def invoices(state: State, query: Query) -> Reply:
    """Asked for one code, an invoice is made on first sight, like everywhere."""
    code = query.get("invoice_code")
    chosen: Iterable[Invoice] = state.invoices.values()
    if code:
        try:
            chosen = [state.invoice(code, query.get("bs_customer_code", ""))]
        except Refused:
            chosen = []
    if not any(query.get(name) for name in _INVOICE_FILTERS | {"biller": "", "search": "", "ordering": ""}):
        return _page_of_invoices(state, list(chosen), query)
    rows = _matching((state.invoice_row(invoice) for invoice in chosen), query, _INVOICE_FILTERS)
    if query.get("biller"):
        rows = [row for row in rows if str(state.services[row["biller_service"]]["biller"]) == query["biller"]]
    return _page(_found(rows, query, "invoice_code", "bs_customer_code"), query)


_INVOICE_FILTERS = {
    "biller_service_id": "biller_service",
    "bs_customer_code": "bs_customer_code",
    "biller_category_id": "biller_category_id",
    "billing_period_month": "billing_period_month",
    "billing_period_year": "billing_period_year",
    "status": "status",
}


def customers(state: State, query: Query) -> Reply:
    """A made-up customer of each service of the category (at most three), with what was searched for."""
    if not query.get("category"):
        return detail(400, "category is required")
    names = {"category": "biller_category", "biller_service": "id"}
    rows = _matching(state.services.values(), query, names)[:3]
    return as_json([_customer(row, query, str(10_000_000 + row["id"])) for row in rows])


def recommendations(state: State, query: Query) -> Reply:
    return as_json([_customer(state.services[data.ORDINARY_SERVICE], query, "10000140")])


def _customer(row: dict[str, Any], query: Query, code: str) -> dict[str, Any]:
    return data.customer(
        row, query.get("customer_code") or code, query.get("register", ""), query.get("phone_number", "")
    )


def by_address(state: State, query: Query) -> Reply:
    return as_json({"SearchList": [data.customer_at(dict(query))]})


def address_list(state: State, query: Query) -> Reply:
    level = _number(query, "RefID", 0, least=0)
    if level > 4:
        raise Refused("RefID must be 0 to 4")
    return as_json(data.address_list(level))


def single_detail_bill(state: State, query: Query) -> Reply:
    """The document's example is empty, and so is this."""
    return Reply(200)


def combined_detail_bill(state: State, query: Query) -> Reply:
    """One invoice of that customer. `combained_detail` is written as in the document."""
    service_id = _number(query, "biller_service_id", 0, least=0)
    customer = query.get("bs_customer_code", "")
    if service_id not in state.services or not customer:
        raise Refused("biller_service_id and bs_customer_code are required")
    invoice = state.invoice(f"{service_id:03d}{customer}", customer, service_id)
    return as_json({"invoices": [state.invoice_row(invoice) | {"paid_type": None}], "combained_detail": []})


def dashboard(state: State, query: Query) -> Reply:
    """The document shows no answer: this shape is our reading."""
    name = query.get("report_name", "service_count")
    counts = {
        "payment": len(state.settled),
        "biller_count": len({row["biller"] for row in state.services.values()}),
        "service_count": len(state.services),
    }
    if name not in counts:
        raise Refused("report_name must be payment, biller_count or service_count")
    return as_json({name: counts[name]})


def _number(query: Query, name: str, default: int, least: int = 1) -> int:
    written = query.get(name)
    if not written:
        return default
    if not written.isascii() or not written.isdigit() or len(written) > 9 or int(written) < least:
        raise Refused(f"{name} must be a whole number")
    return int(written)


def _matching(rows: Iterable[dict[str, Any]], query: Query, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows whose columns equal the query's non-empty values."""
    wanted = [(column, query[name]) for name, column in names.items() if query.get(name)]
    return [row for row in rows if all(str(row[column]) == value for column, value in wanted)]


def _found(rows: list[dict[str, Any]], query: Query, *searched: str) -> list[dict[str, Any]]:
    """`search` and `ordering` (a column, with a minus for descending)."""
    if query.get("search"):
        rows = [row for row in rows if any(query["search"] in str(row[column]) for column in searched)]
    if query.get("ordering"):
        column = query["ordering"].removeprefix("-")
        if rows and column not in rows[0]:
            raise Refused("ordering must be a field of the results")
        rows = sorted(rows, key=lambda row: (row[column] is not None, row[column]), reverse=query["ordering"][0] == "-")
    return rows


def _bounds(count: int, query: Query) -> tuple[int, int] | None:
    """First and last index of the page asked for; None: there is no such page."""
    size = min(_number(query, "page_size", PAGE_SIZE), MAX_PAGE_SIZE)
    page = _number(query, "page", 1)
    first = (page - 1) * size
    return (first, first + size) if first < count or page == 1 else None


def _page(rows: list[dict[str, Any]], query: Query) -> Reply:
    """`count` and `results` without a `next`, as documented."""
    bounds = _bounds(len(rows), query)
    if bounds is None:
        return detail(404, "Invalid page.")
    return as_json({"count": len(rows), "results": rows[slice(*bounds)]})


def _page_of_invoices(state: State, chosen: list[Invoice], query: Query) -> Reply:
    """The same without writing out rows that are not on the page: there may be millions."""
    bounds = _bounds(len(chosen), query)
    if bounds is None:
        return detail(404, "Invalid page.")
    rows = [state.invoice_row(invoice) for invoice in chosen[slice(*bounds)]]
    return as_json({"count": len(chosen), "results": rows})
