"""Money: whole minor units and an ISO 4217 currency; text at the edges, never a float."""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

from iso4217 import Currency

from shared.domain.codes import Code, CodedError

_AMOUNT = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?", re.ASCII)
_MAX_DIGITS = 15  # before the point
_WRITTEN = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,400}))?", re.ASCII)
_TYPED = re.compile(r"[0-9]{1,15}(\.[0-9]{1,4})?", re.ASCII)
_MAX_MINOR = 2**63 - 1  # PostgreSQL's bigint; 15 digits and the 4 places of two currencies would go beyond it


@lru_cache(256)  # asked several times of each payment; what is refused is not kept
def places(currency: str) -> int:
    """How many decimal places `currency` has (ISO 4217 "minor unit").

    Raises ValueError for a code that ISO 4217 does not list or that has no minor unit (gold, test codes).
    """
    try:
        exponent = Currency(currency).exponent
    except ValueError:
        exponent = None
    if exponent is None:
        raise CodedError(
            Code.UNKNOWN_CURRENCY, f"currency {currency!r} is not an ISO 4217 currency that money is counted in"
        )
    return int(exponent)


def parse_amount(text: str, currency: str) -> int:
    """Minor units of an amount written like `100`, `100.00` or `0.5`; always above zero.

    Raises CodedError, a ValueError, with a sentence that says what is wrong.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise CodedError(Code.BAD_AMOUNT, "amount must be digits with an optional point and decimals, like 100.00")
    whole, decimals = match.group(1), match.group(2) or ""
    if len(whole) > _MAX_DIGITS:
        raise CodedError(
            Code.BAD_AMOUNT,
            f"amount is too large: it has {len(whole)} digits before the point, the limit is {_MAX_DIGITS}",
        )
    limit = places(currency)
    if len(decimals) > limit:
        raise CodedError(Code.TOO_PRECISE, f"amount has {len(decimals)} decimal places, {currency} has {limit}")
    amount_minor = int(whole + decimals.ljust(limit, "0"))
    if amount_minor == 0:
        raise CodedError(Code.BAD_AMOUNT, "amount must be above zero")
    if amount_minor > _MAX_MINOR:
        raise CodedError(Code.BAD_AMOUNT, f"amount is too large: at most {_MAX_MINOR} minor units can be kept")
    return amount_minor


def minor_units(text: str, currency: str) -> int | None:
    """Minor units of an amount as others write it ("1", "-1.00"); None for anything else.

    Exact however many decimals there are: what is beyond the currency's places must be zeros, and nothing is rounded,
    as Decimal does with all that it calculates.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None:
        return None
    sign, whole, decimals = match.groups(default="")
    limit = places(currency)
    if decimals[limit:].strip("0"):
        return None
    return int(f"{sign}{whole}{decimals[:limit].ljust(limit, '0')}")


def format_amount(amount_minor: int, currency: str) -> str:
    """The amount with all the currency's places: 10000 MNT is `100.00`, -5 MNT is `-0.05`."""
    limit = places(currency)
    if limit == 0:
        return str(amount_minor)
    digits = str(abs(amount_minor)).rjust(limit + 1, "0")
    return f"{'-' if amount_minor < 0 else ''}{digits[:-limit]}.{digits[-limit:]}"


def format_sums(minor: Mapping[str, int]) -> dict[str, str]:
    """Sums by currency, in minor units, as amounts; by currency's name."""
    return {currency: format_amount(amount, currency) for currency, amount in sorted(minor.items())}


def typed_sum(text: str) -> Decimal:
    """A sum in whole units, of whatever currency, as somebody typed it. Raises ValueError with what is meant."""
    if _TYPED.fullmatch(text) is None:
        raise ValueError(f"{text} is no amount; write it like 100.00")
    return Decimal(text)
