"""billcenter's documented reads: path, parameters and what the answer looks like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from shared.providers.billcenter.records import (
    AddressMatches,
    BankAccount,
    Category,
    CombinedDetail,
    Customer,
    Invoice,
    Page,
    Service,
)

Parameters = Mapping[str, tuple[type, bool, str]]


def _nothing_wrong(_given: Mapping[str, Any]) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Read:
    """One documented read.

    paths: relative to third_party/; the next one is tried after a 404. in_path: the parameter that ends the path.
    mistake: what is wrong with the parameters given, or None.
    """

    help: str
    paths: tuple[str, ...]
    parameters: Parameters
    answer: TypeAdapter[Any]
    method: str = "GET"
    in_path: str | None = None
    mistake: Callable[[Mapping[str, Any]], str | None] = _nothing_wrong


_PAGING: Parameters = {
    "search": (str, False, "any text"),
    "ordering": (str, False, "the field to sort by"),
    "page": (int, False, "number of the page, from 1"),
    "page_size": (int, False, "rows in a page"),
}
_PERSON: Parameters = {
    "customer_code": (str, False, "the customer's code"),
    "register": (str, False, "the customer's register number"),
    "phone_number": (str, False, "the customer's phone number"),
}
_ADDRESS: Parameters = {
    "AimagName": (str, False, "province, as in address_list"),
    "SymName": (str, False, "district, as in address_list"),
    "HorooName": (str, False, "khoroo, as in address_list"),
    "BairName": (str, False, "building, as in address_list"),
}


def _ref_id(given: Mapping[str, Any]) -> str | None:
    return None if given["RefID"] in range(5) else "RefID is 0 to 4"


def _dashboard(given: Mapping[str, Any]) -> str | None:
    if given["report_type"] not in (1, 2):
        return "report_type is 1 or 2"
    if given["report_name"] not in ("payment", "biller_count", "service_count"):
        return "report_name is payment, biller_count or service_count"
    dated = given.get("start_date") is not None or given.get("end_date") is not None
    return "dates belong to report_name payment only" if dated and given["report_name"] != "payment" else None


# The document shows no answer of these: it is passed on as it comes.
_AS_IT_COMES: TypeAdapter[Any] = TypeAdapter(Any)
_CUSTOMERS = "biller_service_customers/"

READS: Mapping[str, Read] = {
    "biller_categories": Read("kinds of billers", ("biller_categories/",), {}, TypeAdapter(Page[Category])),
    "biller_services": Read(
        "services of the billers",
        ("biller_services/",),
        {"biller_category": (int, False, "id of a category"), **_PAGING},
        TypeAdapter(Page[Service]),
    ),
    "biller_service": Read(
        "one service",
        ("biller_services/",),
        {"id_or_service_code": (str, True, "its id or code")},
        TypeAdapter(Service),
        in_path="id_or_service_code",
    ),
    "biller_service_customers": Read(
        "customers of a service",
        (_CUSTOMERS,),
        {"category": (int, True, "id of a category"), "biller_service": (int, False, "id of a service"), **_PERSON},
        TypeAdapter(list[Customer]),
    ),
    "customers_by_address": Read(
        "customers at an address",
        (_CUSTOMERS + "by_address/",),
        {**_ADDRESS, "Toot": (str, False, "door number")},
        TypeAdapter(AddressMatches),
        method="POST",
    ),
    "address_list": Read(
        "the list of addresses",
        ("address_list/",),
        {"RefID": (int, True, "0 province, 1 district, 2 khoroo, 3 building, 4 door"), **_ADDRESS},
        _AS_IT_COMES,
        method="POST",
        mistake=_ref_id,
    ),
    "recommendations": Read(
        "customers that may be the same person's",
        (
            _CUSTOMERS + "recommendations/",
            _CUSTOMERS + "recommendeds/",
        ),  # the document has the one, its example the other
        {
            "register": (str, False, "register number"),
            "phone_number": (str, False, "phone number"),
            "address_id": (str, False, "id of an address"),
        },
        TypeAdapter(list[Customer]),
    ),
    "single_detail_bill": Read(
        "the bill of a customer",
        (_CUSTOMERS + "single_detail_bill/",),
        {"category": (int, False, "id of a category"), "biller_service": (int, False, "id of a service"), **_PERSON},
        _AS_IT_COMES,
    ),
    "combined_detail_bill": Read(
        "all bills of a customer of a service",
        (_CUSTOMERS + "combined_detail_bill/",),
        {"biller_service_id": (int, True, "id of a service"), "bs_customer_code": (str, True, "the customer's code")},
        TypeAdapter(CombinedDetail),
    ),
    "invoices": Read(
        "invoices; without payment references or dates",
        ("invoices/",),
        {
            "biller": (int, False, "id of a biller"),
            "biller_service_id": (int, False, "id of a service"),
            "invoice_code": (str, False, "billcenter's code"),
            "bs_customer_code": (str, False, "the customer's code"),
            "biller_category_id": (int, False, "id of a category"),
            "billing_period_month": (int, False, "month"),
            "billing_period_year": (int, False, "year"),
            "status": (str, False, "PAID, PENDING, PARTIALLY_PAID or RESOLVED"),
            **_PAGING,
        },
        TypeAdapter(Page[Invoice]),
    ),
    "bank_accounts": Read(
        "the receiving accounts",
        ("bank_accounts/",),
        {
            "account": (str, False, "account number"),
            "biller_service__id": (int, False, "id of a service"),
            "biller_service_type": (str, False, "kind of organisation"),
            "biller_category": (int, False, "id of a category"),
            "khut_type": (str, False, "branch: the customer code's first digit"),
            **_PAGING,
        },
        TypeAdapter(Page[BankAccount]),
    ),
    "dashboard": Read(
        "counts",
        ("dashboard/",),
        {
            "biller_category": (int, True, "id of a category"),
            "report_type": (int, True, "1 electricity, 2 state services"),
            "report_name": (str, True, "payment, biller_count or service_count"),
            "start_date": (str, False, "2024-07-01; with report_name payment only"),
            "end_date": (str, False, "2024-08-26; with report_name payment only"),
        },
        _AS_IT_COMES,
        mistake=_dashboard,
    ),
}
