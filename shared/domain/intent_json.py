"""The JSON of an intent, read strictly: what one reader could take for another thing than the next one is refused."""

import json
import math
from typing import Any, NoReturn

from shared.domain.bad_intent import BadIntent
from shared.domain.codes import Code

MAX_INTENT_BYTES = 64 * 1024
MAX_DEPTH = 32  # nested objects and lists; far above what any target or sensible metadata needs
MAX_DIGITS = 1000  # of one whole number; far above any that means something


def load(raw: bytes) -> dict[str, Any]:
    """The object in `raw`. Raises BadIntent for what is none, or can't be kept."""
    if len(raw) > MAX_INTENT_BYTES:
        raise BadIntent(Code.TOO_LARGE, f"the intent has {len(raw)} bytes, the limit is {MAX_INTENT_BYTES}")
    try:
        text = raw.decode("utf-8")
        if text.startswith("\ufeff"):
            raise ValueError("the intent is not JSON: it begins with a byte order mark")
        document = _DECODER.decode(text)
        if _ESCAPE in raw or raw.count(b"{") + raw.count(b"[") >= MAX_DEPTH:  # else there is nothing for it to find
            _walk(document)
    except UnicodeDecodeError:
        raise BadIntent(Code.NOT_JSON, "the intent is not UTF-8") from None
    except RecursionError:
        raise BadIntent(Code.NOT_JSON, "the intent is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise BadIntent(Code.NOT_JSON, f"the intent is not JSON: {error.msg} at character {error.pos}") from None
    except ValueError as error:
        raise BadIntent(Code.NOT_JSON, str(error)) from None
    if not isinstance(document, dict):
        raise BadIntent(Code.NOT_JSON, "the intent is not a JSON object")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("the intent has a key twice")
    return document


def _constant(_name: str) -> NoReturn:
    raise ValueError("the intent holds NaN or Infinity, which JSON does not have")


def _int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"the intent holds a number of {len(text)} digits, the limit is {MAX_DIGITS}")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("the intent holds a number that is too large")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int)
_ESCAPE = rb"\u"  # without one no text holds what JSON and UTF-8 don't allow as it is


def _walk(document: object) -> None:
    """Refuse what PostgreSQL can't keep (NUL, lone surrogates) and nesting beyond the limit."""
    level: list[object] = [document]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.keys())
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, str) and not _storable(item):
                raise ValueError("the intent holds a NUL character or half a surrogate pair")
        if not below:
            return
        level = below
    raise ValueError("the intent is nested too deeply")


def _storable(text: str) -> bool:
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
