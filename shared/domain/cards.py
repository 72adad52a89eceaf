"""Card data: no intent may hold it, and nothing that is kept of one holds it either. Pure.

Card data is what stands under a key `cardNumber` or `cvv`, in any spelling: letter case, `_`, `-` or blanks inside,
escaped or full-width letters.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

MARK = "[redacted]"

_GAP = r"[\W_]*"
_NAMES = "|".join(_GAP.join(name) for name in ("cardnumber", "cvv"))
_KEY = re.compile(rf"(?<![\W_]){_GAP}(?:{_NAMES}){_GAP}", re.IGNORECASE)
_NAMED = re.compile(_NAMES, re.IGNORECASE)
# Looked for from the first of its backslashes alone: from each of them takes quadratic time for a long row.
_ESCAPE = re.compile(r"(?<!\\)\\+u([0-9A-Fa-f]{4})")  # of a JSON text, or of one inside another
_BLANK = re.compile(r"(?<!\\)\\+[bfnrt]")
_DIGITS = re.compile(r"\d+")


def is_card_key(key: str) -> bool:
    """Is this key one of card data?"""
    return _KEY.fullmatch(_folded(key)) is not None


def holds_card_data(document: Any) -> bool:
    """Does a key of card data stand anywhere in this JSON value?"""
    left = [document]
    while left:
        item = left.pop()
        if isinstance(item, Mapping):
            if any(map(is_card_key, item)):
                return True
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)
    return False


def names_card_data(raw: bytes) -> bool:
    """Can a key of card data stand in these bytes? Quick; never False for JSON in UTF-8 that has one."""
    return _names(raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"))


def redacted(raw: bytes) -> bytes:
    """`raw` fit to be kept: itself where it names no card data.

    In JSON the values under keys of card data are replaced. Where it is not JSON, or a text in it names card data (it
    may be a key's name beside its value, or JSON inside JSON), no digit is left at all.
    """
    found = doubled = False

    def clean(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found, doubled
        document = {key: MARK if is_card_key(key) else value for key, value in pairs}
        found = found or any(map(is_card_key, document))
        doubled = doubled or len(document) < len(pairs)
        return document

    try:
        document = json.loads(raw, object_pairs_hook=clean)
        kept = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
    except (ValueError, RecursionError):
        return blanked(raw) if names_card_data(raw) else raw
    if doubled and names_card_data(raw):  # the one that stood first is not in `kept`
        return blanked(raw)
    if any(map(_names, _texts(document))):
        return blanked(kept)
    return kept if found else raw


def blanked(raw: bytes) -> bytes:
    """No digit is left. Escapes go first: without their digits nobody could tell any more what was named."""
    text = raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    return _DIGITS.sub(MARK, _unescaped(text).replace("\0", "")).encode()


def is_redacted(raw: bytes) -> bool:
    """Are these bytes what `redacted` left of others?"""
    return MARK.encode() in raw and names_card_data(raw)


def _texts(document: Any) -> Iterator[str]:
    """Every text in a JSON value, and every key that could hold a value; not the keys of card data."""
    left = [document]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield from (key for key in item if _DIGITS.search(key) and not is_card_key(key))
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)
        elif isinstance(item, str):
            yield item


def _names(text: str) -> bool:
    if "\\" in text:
        text = _unescaped(text)
        text += "0" + _BLANK.sub(" ", text)
    return _NAMED.search(_folded(text)) is not None


def _folded(text: str) -> str:
    """NFKC of each character by itself: of a whole text it takes quadratic time for a long row of combining marks."""
    if text.isascii():
        return text
    return text.translate({ord(one): unicodedata.normalize("NFKC", one) for one in set(text) if one > "\x7f"})


def _unescaped(text: str) -> str:
    text = _ESCAPE.sub(lambda escape: chr(int(escape.group(1), 16)), text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # joins pairs; halves can't be kept
