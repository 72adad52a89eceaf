"""A bill as invoicepayment sends it, made readable; what can't be read is passed as it comes. Pure.

Three formats of date in one row, booleans as "0" and "1", names with spaces behind. The three fees are passed on one
by one: the document does not say how they add up, so nothing here does.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from shared.providers.base import Shown

AMOUNTS = ("invoice_amount", "expense_amount", "expense_firm_amount", "expense_dealer_amount")
_NAMES = (
    *("bill_no", "bill_term", "invoice_date", "bill_due_date"),
    *AMOUNTS,
    *("payment_order_no", "partial_payment_allowed", "subscriber_name", "inv_payment_transaction_query_oid"),
    *("invoice_type", "product_oid", "subscriber_nos", "subscriber_no1", "subscriber_no2", "subscriber_no3"),
)
_TERM = re.compile(r"(?P<month>[0-9]{2})/(?P<year>[0-9]{4})")
_DATE = re.compile(r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})")
_DUE_DATE = re.compile(r"(?P<day>[0-9]{2})-(?P<month>[0-9]{2})-(?P<year>[0-9]{4})")
_TRUTHS = {"0": False, "1": True}


def bill(row: Mapping[str, Any]) -> dict[str, Any]:
    """One row: every documented name (null where it is absent), and behind them whatever else came."""
    found = {name: as_text(row.get(name)) for name in (*_NAMES, *row)}
    return found | {name: read(found[name]) for name, read in _READERS.items()}


def as_text(value: Any) -> Any:
    """Numbers as the text that they came as: an amount must never pass through a float. Booleans stay."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        return {str(name): as_text(inner) for name, inner in value.items()}
    return [as_text(inner) for inner in value] if isinstance(value, list) else value


def _of(form: re.Pattern[str]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        match = form.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            return value
        parts = {name: int(digits) for name, digits in match.groupdict().items()}
        try:
            moment = date(parts["year"], parts["month"], parts.get("day", 1))
        except ValueError:  # no such day
            return value
        return moment.isoformat() if "day" in parts else moment.isoformat()[:7]

    return read


def _truth(value: Any) -> Any:
    return _TRUTHS.get(value, value) if isinstance(value, str) else value


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "bill_term": _of(_TERM),
    "invoice_date": _of(_DATE),
    "bill_due_date": _of(_DUE_DATE),
    "partial_payment_allowed": _truth,
    "subscriber_name": _stripped,
}


def shown(rows: Sequence[Mapping[str, Any]]) -> Sequence[Shown]:
    """What is due, for people: in 80 columns, so without dates of issue and ids."""
    if not rows:
        return (Shown("no invoices"),)
    names = sorted({str(row["subscriber_name"]) for row in rows if row["subscriber_name"]})
    title = "to pay in this order" + (f", for {', '.join(names)}" if names else "")
    columns = ("#", "bill", "term", "due", ">amount", ">expense", ">firm", ">dealer", "part")
    order = ("payment_order_no", "bill_no", "bill_term", "bill_due_date", *AMOUNTS)
    cells = [(*(row[name] for name in order), _yes_or_no(row["partial_payment_allowed"])) for row in rows]
    return (Shown(title, columns, cells),)


def _yes_or_no(value: Any) -> Any:
    return ("yes" if value else "no") if isinstance(value, bool) else value
