"""Numbers, sums, days, times and ages as the reader of a page writes them. Times are UTC, and of 24 hours."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from babel import Locale
from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.numbers import format_decimal
from babel.units import format_unit

from shared.reconciliation.report.figures import exactly

_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def filters(language: str) -> Mapping[str, Callable[..., str]]:
    """For templates, by name."""
    named = (count, amount, day, moment, age, seconds)
    return {one.__name__: partial(one, locale=Locale.parse(language)) for one in named}


def count(value: int, locale: Locale) -> str:
    """A whole number."""
    return format_decimal(value, locale=locale)


def amount(value: str | Decimal, locale: Locale) -> str:
    """A sum with the places that it has; what is no number stays as it is."""
    try:
        found = Decimal(value)
        places = max(0, -int(found.as_tuple().exponent))
    except (InvalidOperation, ValueError):
        return str(value)
    return exactly(locale.decimal_formats[None], places, found, locale)


def day(value: date | str, locale: Locale) -> str:
    """A date, of ISO 8601 if it is text."""
    return format_date(date.fromisoformat(value) if isinstance(value, str) else value, "medium", locale=locale)


def moment(value: datetime | str | None, locale: Locale) -> str:
    """A date and a time to the second, in UTC; of RFC 3339 if it is text."""
    if value is None:
        return ""
    found = (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
    return f"{format_date(found, 'medium', locale=locale)} {format_time(found, 'HH:mm:ss', locale=locale)}"


def age(value: float, locale: Locale) -> str:
    """How long it has been, in one unit: 45 s, 3 min, 2 h, 5 d."""
    unit, length = next((one for one in _UNITS if value >= one[1]), _UNITS[-1])
    return format_unit(int(value // length), unit, "short", locale=locale)


def seconds(value: float, locale: Locale) -> str:
    """A length of time to the tenth of a second."""
    return format_unit(round(value, 1), "second", "short", locale=locale)


def either(names: Any, language: str) -> str:
    """`an operator or an approver`."""
    return format_list(list(names), "or", locale=language)
