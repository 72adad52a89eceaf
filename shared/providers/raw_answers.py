"""What a call over HTTP can come to: an answer, or a fault that says whether a byte was written. Pure."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

MAX_RETRY_AFTER_S = 86_400.0
_MAX_EXPONENT = 400
_ANY = TypeAdapter[Any](Any)
_MAX_DEPTH = 100  # of lists and objects; far above any document's, and below what our own writers of JSON can write
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # an escape of a pair's half; whole pairs are looked at as well


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


class Contradiction(ValueError):  # noqa: N818 - says what the answer is
    """JSON that says two things: a name stands twice in one object, beside different values."""


def parse_json(body: bytes) -> Any:
    """The JSON value of a body; decimals become Decimal. Raises ValueError for all that is not JSON.

    Strict where readers differ: UTF-8 alone and without a mark (RFC 8259), no NaN, no number or depth out of bounds,
    Contradiction for a name that stands twice; names that differ in case, width or composition count as one, because
    there are readers to whom they are. Twice with the same text or number is once. `-0` is a Decimal, so that an
    integer 0 is the one that was written as `0`. Half a surrogate pair is refused in a name, and U+FFFD in a text: it
    equals nothing of ours, and a stranger's cut text does not make a list unreadable.
    """
    text = body.decode("utf-8")
    try:
        value = json.loads(
            text, parse_float=_decimal, parse_int=_integer, parse_constant=_no_constant, object_pairs_hook=one_object
        )
        _must_be_shallow(value)
        return _whole_text(value) if _HALF.search(text) else value
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ArithmeticError:
        raise ValueError("a number is out of all bounds") from None


def plain_json(value: Any) -> Any:
    """What `parse_json` read as plain JSON data again: a Decimal becomes the text of its number."""
    return _ANY.dump_python(value, mode="json")


def one_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, for `object_pairs_hook`. Raises Contradiction where a name stands twice beside two values."""
    found = dict(pairs)
    if len(set(map(_folded, found))) == len(pairs):
        return found
    seen: dict[str, Any] = {}
    for name, value in pairs:
        folded = _folded(name)
        if folded in seen and not _same(seen[folded], value):
            raise Contradiction("a name stands twice in one object")
        seen[folded] = value
    return found


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _same(one: Any, other: Any) -> bool:
    """The same text, number, true, false or null. Lists and objects are not compared: twice is in doubt."""
    return type(one) is type(other) and not isinstance(one, list | dict) and bool(one == other)


def _must_be_shallow(value: Any) -> None:
    level = [value]
    for _ in range(_MAX_DEPTH):
        inside = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [item for items in inside for item in items if isinstance(item, dict | list)]
        if not level:
            return
    raise ValueError("nested too deeply")


def _whole_text(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole_text(item) for item in value]
    if not isinstance(value, dict):
        return value
    for name in value:
        name.encode()  # raises ValueError
    return {name: _whole_text(item) for name, item in value.items()}


def _integer(text: str) -> int | Decimal:
    return int(text) if text != "-0" else Decimal(text)


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
