"""Secrets and personal data never reach a log: they are masked by the name of their key and by their form.

Guaranteed for every value of a log event, at any depth, and for every text in it, tracebacks included. What can't
be told from an ordinary number (a local phone number without its country code, an account number in free text) is
masked only under its key: do not put such values into event texts.
"""

import math
from collections.abc import Collection, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

from shared.telemetry.sensitive import MASK, is_sensitive, mask_patterns

MAX_CHARACTERS = 2_000  # of one value; what is longer is cut
MAX_ITEMS = 50  # of one list or mapping
MAX_DEPTH = 6
_LARGEST = 10**40  # of whole numbers
# Texts are masked before they are cut, with this much more, so that no secret is halved out of recognition.
_MARGIN = 400

# Our own ids, digests and amounts: digits that may look like a card's or a phone's and are not.
_IDENTIFIERS = frozenset(
    {
        "id",
        "ids",
        "payment_id",
        "payment_ids",
        "intent_id",
        "task_id",
        "event_id",
        "entry_id",
        "attempt",
        "sent_reference",
        "provider_reference",
        "invoice_code",
        "exclusive_key",
        "sha256",
        "request_sha256",
        "digest",
        "amount",
        "amount_minor",
        "timestamp",
        "level",
        "logger",
        "state",
        "operation",
        "provider",
        "source",
        "lane",
        "kind",
        "pid",
        "alert",
    }
)


def mask_event(_logger: object, _method: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """A structlog processor: the event as plain JSON data without secrets and personal data, within the limits."""
    return {_name_of(key): _mask(key, value, 0) for key, value in event.items()}


def mask_text(text: str, *, identifier: bool = False, keep_end: bool = False) -> str:
    """`text` without secrets, at most MAX_CHARACTERS long; identifier: its digits are an id's.

    keep_end: what is too long loses its beginning (of a traceback the end says what happened).
    """
    if len(text) > MAX_CHARACTERS + _MARGIN:
        text = _last_lines(text) if keep_end else text[: MAX_CHARACTERS + _MARGIN]
    text = mask_patterns(text, identifier)
    if len(text) > MAX_CHARACTERS:
        text = "…" + text[-MAX_CHARACTERS:] if keep_end else text[:MAX_CHARACTERS] + "…"
    return text


def _last_lines(text: str) -> str:
    """The end of a text, without the line that the cut went through: half a token has lost its mark.

    One endless line has no such end: its beginning is shown.
    """
    return text[-MAX_CHARACTERS - _MARGIN :].partition("\n")[2] or text[: MAX_CHARACTERS + _MARGIN]


@lru_cache(maxsize=2048)
def _name_of(key: str) -> str:
    return mask_text(key)


def _mask(key: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if is_sensitive(key):
        return MASK
    if isinstance(value, str):
        return mask_text(str(value), identifier=key in _IDENTIFIERS, keep_end=key == "exception")
    if isinstance(value, int | float):
        return _mask_number(key, value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _mask_container(key, value, depth + 1) if depth < MAX_DEPTH else "…"
    return _mask_object(key, value)


def _mask_container(key: str, value: Mapping[Any, Any] | Collection[Any], depth: int) -> Any:
    first = list(islice(value, MAX_ITEMS))
    more = f"{len(value) - MAX_ITEMS} more" if len(value) > MAX_ITEMS else ""
    if not isinstance(value, Mapping):
        return [*(_mask(key, item, depth) for item in first), *([f"… {more}"] if more else [])]
    shown = {mask_text(_text_of(name)): _mask(_text_of(name), value[name], depth) for name in first}
    return shown | {"…": more} if more else shown


def _mask_number(key: str, value: int | float) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    if isinstance(value, int) and not -_LARGEST < value < _LARGEST:
        return MASK  # what has thousands of digits can't even be written
    if -(10**9) < value < 10**9 or isinstance(value, float) or key in _IDENTIFIERS:
        return value
    return value if mask_text(str(value)) == str(value) else MASK


def _mask_object(key: str, value: object) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID | timedelta):
        return str(value)
    if hasattr(value, "get_secret_value"):
        return MASK
    if isinstance(value, bytes | bytearray | memoryview) and key in _IDENTIFIERS:
        return bytes(value).hex()
    return mask_text(_text_of(value))


def _text_of(value: object) -> str:
    """A text for anything: never raises, not even when its `__repr__` does."""
    try:
        if isinstance(value, str):
            return str(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value[: MAX_CHARACTERS + _MARGIN]).decode("utf-8", "backslashreplace")
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {value}"
        return str(value) if isinstance(value, PurePath) else repr(value)
    except Exception as error:
        return f"<{type(value).__name__} that can't be shown: {type(error).__name__}>"
