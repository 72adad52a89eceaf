"""What GET customerBill and GET customerBill/{id} show.

Our reading: a bill has a number of its own and takes the payments that name it; the others go onto numbered bills, so
many a bill (`payments_a_bill`). The list has a resource for each bill, the answer by id one with everything.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from deploy.sandbox.mtn.applied import Refused
from deploy.sandbox.mtn.state import ID_TYPES, Row, State

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
_FLAGS = re.compile(r"[01]{3}", re.ASCII)
_QUERIES = ("unpaidBill", "paidBill", "completeBill")
_DUE = "2026-12-31T00:00:00Z"
_BILLED = "2026-11-01"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a query asks for, read and valid. level: the customerType."""

    customer: str
    level: int
    query: str
    flags: str
    start: str
    end: str


def listed(state: State, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """The bills from `offset`, at most `limit`. Raises Refused and Missing."""
    if not query.get("customerId"):
        raise Refused("customerId is required")
    wanted = _read(query["customerId"], query)
    offset, limit = (_counted(query, name) for name in ("offset", "limit"))
    rows = _rows(state, wanted)
    bills = [_bill(state, wanted, number, kept) for number, kept in _by_bill(rows, state.options.payments_a_bill)]
    return bills[offset or 0 :][:limit]


def one(state: State, customer: str, query: Mapping[str, str]) -> dict[str, Any]:
    """All of a customer's bills as one object. Raises Refused and Missing."""
    for name in ("offset", "limit"):
        if name in query:
            raise Refused(f"{name} is a parameter of the list alone")
    wanted = _read(customer, query)
    return _bill(state, wanted, "BILL-1", _rows(state, wanted))


def money(amount: Decimal, unit: str) -> dict[str, str]:
    return {"amount": f"{amount:f}", "unit": unit}


def reference_rows(rows: Sequence[Row]) -> list[dict[str, str]]:
    """The references of these payments, as PATCH answers them."""
    return [reference for row in rows for reference in row.references]


def _read(customer: str, query: Mapping[str, str]) -> Wanted:
    if query.get("customerType") not in ("1", "2", "3"):
        raise Refused("customerType is required: 1, 2 or 3")
    if query.get("queryType") not in _QUERIES:
        raise Refused(f"queryType is required: {', '.join(_QUERIES)}")
    flags = query.get("billingFlag", "000")
    if _FLAGS.fullmatch(flags) is None:
        raise Refused("billingFlag must be three of 0 and 1")
    for name in ("startDate", "endDate"):
        if name in query and not _is_day(query[name]):
            raise Refused(f"{name} must be a date like 2026-11-21")
    start, end = query.get("startDate", "0000-00-00"), query.get("endDate", "9999-99-99")
    return Wanted(customer, int(query["customerType"]), query["queryType"], flags, start, end)


def _counted(query: Mapping[str, str], name: str) -> int | None:
    written = query.get(name)
    if written is None:
        return None
    if _COUNT.fullmatch(written) is None:
        raise Refused(f"{name} must be a whole number")
    return int(written)


def _is_day(written: str) -> bool:
    if _DAY.fullmatch(written) is None:
        return False
    try:
        date.fromisoformat(written)
    except ValueError:
        return False
    return True


def _rows(state: State, wanted: Wanted) -> list[Row]:
    rows = state.rows(wanted.customer)
    return [row for row in rows if row.level in (0, wanted.level) and wanted.start <= row.day <= wanted.end]


def _by_bill(rows: Sequence[Row], payments_a_bill: int) -> list[tuple[str, list[Row]]]:
    """There is always one bill, paid or not."""
    named: dict[str, list[Row]] = {}
    unnamed: list[Row] = []
    for row in rows:
        (unnamed if row.bill_number is None else named.setdefault(row.bill_number, [])).append(row)
    starts = range(0, max(len(unnamed), 0 if named else 1), payments_a_bill)
    numbered = [(f"BILL-{nth}", unnamed[start : start + payments_a_bill]) for nth, start in enumerate(starts, 1)]
    return numbered + list(named.items())


def _bill(state: State, wanted: Wanted, number: str, rows: Sequence[Row]) -> dict[str, Any]:
    unit = state.unit_of(wanted.customer)
    due, paid = Decimal(state.options.amount_due), sum((row.amount for row in rows), Decimal())
    unpaid = money(max(due - paid, Decimal()), unit)
    cycle: dict[str, Any] = {"billingCycleId": "C-1", "startDate": "2026-11-01", "endDate": "2026-11-30"}
    if wanted.flags[1] == "1":
        cycle["creditLimit"] = [{"idType": "Account", "id": wanted.customer, "creditLimit": "5000.00"}]
    bill: dict[str, Any] = {
        "id": wanted.customer,
        "billType": "Customer Bill",
        "billNo": number,
        "billDate": _BILLED,
        "category": "normal",
        "billRunType": "onCycle",
        "paymentDueDate": _DUE,
        "state": "settled" if paid >= due else "partiallyPaid" if paid else "sent",
        "amountDue": unpaid,
        "amountDueDetail": [
            {
                "id": number,
                "dueDate": _DUE,
                "unpaidAmount": unpaid,
                "advanceAmount": money(max(paid - due, Decimal()), unit),
                "totalDueAmount": unpaid,
            }
        ],
        "relatedParty": [{"id": "P-1", "customerType": "Individual", "customerName": "Sandbox Customer"}],
        "billCycle": [cycle],
    }
    if wanted.query != "unpaidBill":
        bill["appliedPayment"] = _applied(state, wanted, rows, money(paid, unit))
    if wanted.query == "completeBill":
        bill["billingAccount"] = [{"accountId": wanted.customer}]
        bill["financialAccount"] = [{"id": "F-1", "name": "Sandbox Account"}]
        bill["taxItem"] = [{"taxAmount": money(Decimal("0.00"), unit), "taxCategory": "VAT", "taxRate": "0"}]
        bill["billDocument"] = [{"id": "D-1", "mimeType": "application/pdf", "description": "a made-up bill"}]
    return bill


def _applied(state: State, wanted: Wanted, rows: Sequence[Row], total: dict[str, str]) -> dict[str, Any]:
    """In a list that is shown in part, the newer half is left; the total still tells of all of it."""
    shown = rows[len(rows) - len(rows) // 2 :] if state.options.list == "part" else rows
    id_type = rows[0].id_type if rows else ID_TYPES[wanted.level]
    payments = [_payment(row, state.options.reference_form) for row in shown]
    return {"idType": id_type, "id": wanted.customer, "totalPaidAmount": total, "payment": payments}


def _payment(row: Row, form: str) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": f"MTN{row.id:010d}"}
    if form == "list":
        shown["paymentRef"] = list(row.references)
    elif row.references:
        shown["referenceId"] = row.references[0]["referenceId"]
    if row.bill_number is not None:
        shown["billNumber"] = row.bill_number
    shown |= {"transactionDate": row.day, "paidAmount": money(row.amount, row.unit)}
    if row.method is not None:
        shown["paymentMethod"] = row.method
    return shown
