"""What is wrong with a payment, by the catalogue's entry of its recipient. Pure.

Every mistake is found, in a fixed order: the amount, the fields as they are displayed, fields that do not exist.
The sentences name fields and what the catalogue allows; never a value of the payment, which may be personal.
"""

import re
from collections.abc import Iterator, Mapping, Set
from decimal import Decimal
from fractions import Fraction

from shared.domain.money import format_amount, places
from shared.providers.answer_meanings import plain
from shared.providers.bmms.records import Entry, InputField

CURRENCY = "UZS"  # our reading: the document names no currency
# Our reading: minAmount, maxAmount and an amount's `validation` are in the unit of the amount that is sent, which is
# what was entered times amountRatio (100: tiyin). In the document's only example the ratio is 1, which can't tell.
LIMITS_ARE_OF_WHAT_IS_SENT: bool = True

_RANGE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?)?:([0-9]{1,18}(?:\.[0-9]{1,6})?)?")  # our reading: min:max
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


def mistakes(entry: Entry, amount_minor: int, currency: str, given: Mapping[str, str]) -> list[str]:
    """All that is wrong with a payment of this amount with these fields; empty when nothing is.

    A field that is given as blanks counts as not given.
    """
    fields = {field.name: field for field in entry.inputs}
    filled = {name: value.strip() for name, value in given.items() if value.strip()}
    found = list(_amount(entry, amount_minor)) if currency == CURRENCY else [f"it takes {CURRENCY}, not {currency}"]
    for field in entry.inputs:
        found += _field(field, fields, filled)
    unknown = given.keys() - fields.keys()
    found += [f"the recipient has no field {name}" for name in sorted(filter(_FIELD_NAME.fullmatch, unknown))]
    if any(not _FIELD_NAME.fullmatch(name) for name in unknown):  # it may be a value in the wrong place
        found.append("a field that is given has a name that no field has")
    return found


def limits(entry: Entry) -> tuple[Fraction | None, Fraction | None]:
    """The least and the largest amount in UZS as entered, exactly: the narrower of the recipient's and the amount
    field's.

    An INVOICE's amount is the provider's and entered by nobody: only the recipient's own limits hold for it. An
    AMOUNT_DICTATOR adds a percentage that the catalogue does not name: the limits are compared without it.
    """
    lows, highs = [entry.recipient.min_amount], [entry.recipient.max_amount]
    for field in entry.inputs:
        if field.type == "AMOUNT" and entry.recipient.type != "INVOICE":
            match = _RANGE.fullmatch(field.validation or "")
            low, high = match.groups() if match else (None, None)
            lows.append(Decimal(low) if low else None)
            highs.append(Decimal(high) if high else None)
    scale = Fraction(entry.recipient.amount_ratio) if LIMITS_ARE_OF_WHAT_IS_SENT else Fraction(1)
    low_limit = max((Fraction(low) / scale for low in lows if low is not None), default=None)
    high_limit = min((Fraction(high) / scale for high in highs if high is not None), default=None)
    return low_limit, high_limit


def money(amount: Fraction) -> str:
    """An amount in UZS for people, half a minor unit rounded up, without decimals that are zero."""
    text = format_amount(int(amount * 10 ** places(CURRENCY) + Fraction(1, 2)), CURRENCY)
    return text.rstrip("0").rstrip(".") if "." in text else text


def fillable(field: InputField) -> bool:
    """Is it for the payer to fill in?"""
    return _taken_by(field) is None


def needed(field: InputField) -> bool:
    """Must it be given? What is not sent (`output` false) is not missed; another field's choices may rest on it."""
    return fillable(field) and field.output and not field.optional


def _taken_by(field: InputField) -> str | None:
    if field.type == "AMOUNT":
        return "takes the payment's amount"
    if field.control_type == "READONLY":
        return "is read-only"
    return "is hidden" if field.visibility == "HIDDEN" else None


def _amount(entry: Entry, amount_minor: int) -> Iterator[str]:
    amount = Fraction(amount_minor, 10 ** places(CURRENCY))
    low, high = limits(entry)
    if low is not None and amount < low:
        yield f"the amount is below the recipient's minimum of {money(low)} {CURRENCY}"
    if high is not None and amount > high:
        yield f"the amount is above the recipient's maximum of {money(high)} {CURRENCY}"


def _field(field: InputField, fields: Mapping[str, InputField], filled: Mapping[str, str]) -> Iterator[str]:
    name, value, taken = plain(field.name), filled.get(field.name), _taken_by(field)
    if taken is not None:
        if value is not None:
            yield f"field {name} {taken}; leave it out"
        return
    if value is None and not needed(field):
        return
    lead = plain(field.require_field)
    choices = _all_choices(field)
    if lead is not None:
        leader = fields.get(field.require_field or "")
        if leader is None:
            yield f"field {name} depends on field {lead}, which the recipient does not have"
        elif fillable(leader):
            chosen = filled.get(leader.name)
            if chosen is None and value is not None:
                yield f"field {name} depends on field {lead}, which is not given"
            # A choice that is itself wrong is said once, there; here it narrows nothing.
            if chosen is not None and not list(_value(leader, chosen, _all_choices(leader))):
                choices = _choices_for(field, chosen)
                if choices is not None and not choices:
                    yield f"field {name} has no choice for the given {lead}"
                    choices = None
                    if value is None:
                        return
    if value is None:
        yield f"field {name} is missing"
    else:
        yield from _value(field, value, choices)


def _value(field: InputField, value: str, choices: list[Set[str]] | None) -> Iterator[str]:
    name = plain(field.name)
    if field.prefixes and not value.startswith(field.prefixes):
        allowed = ", ".join(plain(prefix) or "nothing" for prefix in field.prefixes)
        yield f"field {name} does not start with {allowed}"
    if choices is not None and not any(_parts(value) and _parts(value) <= choice for choice in choices):
        yield f"field {name} is none of its choices"


def _all_choices(field: InputField) -> list[Set[str]] | None:
    """None where anything may be entered; a SELECT that lists no values can't be judged either."""
    return (
        [_parts(choice.value) for choice in field.values] if field.control_type == "SELECT" and field.values else None
    )


def _choices_for(field: InputField, chosen: str) -> list[Set[str]] | None:
    """The choices that are left for the leader's chosen value; those without `filterBy` are there for every one."""
    if _all_choices(field) is None:
        return None
    return [
        _parts(choice.value)
        for choice in field.values
        if choice.filter_by is None or _parts(choice.filter_by) & _parts(chosen)
    ]


def _parts(text: str) -> frozenset[str]:
    """The values that one text holds, comma-separated. Given may be all of a choice's or some (our reading)."""
    return frozenset(part for part in (piece.strip() for piece in text.split(",")) if part)
