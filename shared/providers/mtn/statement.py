"""mtn's list of an account's payments (`appliedPayment` of `paidBill`), read into lines for a check. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from shared.domain.money import minor_units
from shared.domain.reference import is_reference
from shared.providers.markers import Line

_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ].*)?", re.ASCII)  # documented is the day alone

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """whole: False where the answer shows that it does not tell all payments, or does not tell of payments at all."""

    lines: tuple[Line, ...]
    whole: bool


def statement(data: Any, currency: str) -> Statement:
    """The payments in an answer's `data`: an object, by the list's document an array of them; `appliedPayment` and
    `payment` likewise are read as one or as several.

    An answer without `appliedPayment` says nothing about payments; null and [] say that there are none.
    """
    found, whole = applied(data)
    for one, payments in found:
        whole &= adds_up(one, payments, currency)
    return Statement(
        tuple(line for _, payments in found for payment in payments for line in lines_of(payment, currency)), whole
    )


def applied(data: Any) -> tuple[list[tuple[Object, list[Object]]], bool]:
    """Each `appliedPayment` with its payments; False where the answer shows that it does not tell all of them."""
    found: list[tuple[Object, list[Object]]] = []
    bills, whole = _several(data)
    whole &= bool(bills)
    for bill in bills:
        several, fits = _several(bill.get("appliedPayment"))
        whole &= fits and "appliedPayment" in bill
        for one in several:
            payments, fits = _several(one.get("payment"))
            whole &= fits and ("payment" in one or not one)
            found.append((one, payments))
    return found, whole


def adds_up(applied: Object, payments: list[Object], currency: str) -> bool:
    """Stated: `totalPaidAmount` is the sum over `payment`. True also where they can't be compared."""
    total = _minor(applied.get("totalPaidAmount"), currency)
    amounts = [_minor(payment.get("paidAmount"), currency) for payment in payments]
    return total is None or None in amounts or total == sum(amount or 0 for amount in amounts)


def _several(value: Any) -> tuple[list[Object], bool]:
    """The objects in it, and whether there is nothing else in it."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    objects = [item for item in items if isinstance(item, dict)]
    return objects, len(objects) == len(items)


def lines_of(payment: Object, currency: str) -> Iterator[Line]:
    """A line for each reference in our form, else one with the first reference: mtn may add its own to ours."""
    references = list(dict.fromkeys(_references(payment)))
    ours = [text for text in references if is_reference(text)]
    number, day = payment.get("id"), payment.get("transactionDate")
    for marker in ours or (references[0] if references else None,):
        yield Line(
            marker=marker,
            amount_minor=_minor(payment.get("paidAmount"), currency),
            added=True,
            at=_end_of(day),
            reference=number[:100] if isinstance(number, str) and number else None,
            date=day if isinstance(day, str) else None,
        )


def _references(payment: Object) -> Iterator[str]:
    """`referenceId` of the payment itself, where the document requires it, and of its `paymentRef[]`, where it is
    defined."""
    for holder in (payment, *_several(payment.get("paymentRef"))[0]):
        text = holder.get("referenceId")
        if isinstance(text, str) and text.strip():
            yield text.strip()


def _minor(money: Any, currency: str) -> int | None:
    """Minor units of a `Money` in this currency; None for all else."""
    if not isinstance(money, dict) or money.get("unit") != currency:
        return None
    amount = money.get("amount")
    if isinstance(amount, bool) or not isinstance(amount, str | int | Decimal):
        return None
    return minor_units(str(amount), currency)


def _end_of(day: Any) -> datetime | None:
    """The end of a `transactionDate`, in UTC: it is a day alone, and nothing may count as older than it can be."""
    match = _DAY.fullmatch(day) if isinstance(day, str) else None
    try:
        start = datetime.fromisoformat(match.group(1)) if match else None
        return start and start.replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        return None
