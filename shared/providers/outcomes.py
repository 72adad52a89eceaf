"""What a call over HTTP can come to: an answer, or a fault that says whether a byte was written. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

MAX_RETRY_AFTER_S = 86_400.0
_MAX_EXPONENT = 400


class Fault(StrEnum):
    """Why there is no answer."""

    NOT_CONNECTED = "not_connected"  # no byte of the request was written
    TIME_OUT = "time_out"
    RESET = "reset"  # the connection broke before the answer's headers were whole, or while reading
    SHORT_BODY = "short_body"  # less came than was announced
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"  # not HTTP, or coded in a way that was not asked for


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer. headers: case-insensitive. retry_after_s: from `Retry-After`, 0 to MAX_RETRY_AFTER_S."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)  # may hold personal data
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class HttpFault:
    """No answer. written: a byte of the request may have been sent, so the provider may have acted on it.

    detail: the error's class for logs; never a URL, header or body.
    """

    kind: Fault
    written: bool
    detail: str


def parse_json(body: bytes) -> Any:
    """The JSON value of a body; decimals become Decimal. Raises ValueError for all that is not JSON."""
    try:
        return json.loads(body, parse_float=_decimal, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ArithmeticError:
        raise ValueError("a number is out of all bounds") from None


def _decimal(text: str) -> Decimal:
    """Bounded: a few bytes like 1e999999 would become an integer of a megabyte in the first reader that wants one."""
    number = Decimal(text)
    if abs(number.adjusted()) > _MAX_EXPONENT:
        raise ValueError("a number is out of all bounds")
    return number


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: given as such, or as a date (counted from the answer's own `Date`, so clocks may differ)."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:12]), MAX_RETRY_AFTER_S)
    until = _date(value)
    if until is None:
        return None
    since = _date(headers.get("Date") or "") or datetime.now(UTC)
    return min(max((until - since).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
