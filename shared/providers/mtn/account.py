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
class AccountPayments:
    """whole: False where the answer shows that it does not tell all payments, or does not tell of payments at all."""

    lines: tuple[Line, ...]
    whole: bool


def payments_of(data: Any, currency: str) -> AccountPayments:
    """The payments in an answer's `data`: an object, by the list's document an array of them; `appliedPayment` and
    `payment` likewise are read as one or as several.

    An answer without `appliedPayment` says nothing about payments; null and [] say that there are none.
    """
    found = applied(data)
    whole = found.tells and not found.odd
    for one in found.payments:
        whole &= adds_up(one, currency)
    return AccountPayments(
        tuple(line for one in found.payments for payment in one.payments for line in lines_of(payment, currency)), whole
    )


@dataclass(frozen=True, slots=True)
class Paid:
    """One `appliedPayment`: its total as it stands there, its payments. fits: nothing else stands among them."""

    total: Any
    payments: list[Object]
    fits: bool


@dataclass(frozen=True, slots=True)
class Applied:
    """What an answer tells of payments. odd: what stands where a payment should and is none. tells: False where the
    answer does not tell of payments at all."""

    payments: list[Paid]
    odd: list[Any]
    tells: bool


def applied(data: Any) -> Applied:
    """Each `appliedPayment` with its payments."""
    found: list[Paid] = []
    bills, odd = _several(data)
    for bill in bills:
        several, others = _several(bill.get("appliedPayment"))
        odd += others
        for one in several:
            payments, others = _several(one.get("payment"))
            if one and "payment" not in one:
                others = [one]
            odd += others
            found.append(Paid(one.get("totalPaidAmount"), payments, not others))
    return Applied(found, odd, bool(bills) and all("appliedPayment" in bill for bill in bills))


def adds_up(one: Paid, currency: str) -> bool:
    """Stated: `totalPaidAmount` is the sum over `payment`. True also where they can't be compared."""
    total = _minor(one.total, currency)
    amounts = [_minor(payment.get("paidAmount"), currency) for payment in one.payments]
    return total is None or None in amounts or not one.fits or total == sum(amount or 0 for amount in amounts)


def _several(value: Any) -> tuple[list[Object], list[Any]]:
    """The objects in it, and what else is in it."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    return [item for item in items if isinstance(item, dict)], [item for item in items if not isinstance(item, dict)]


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
