"""Our reference of a payment at its provider: made from the intent, so that one intent has one reference for ever.

A database that comes back older than the world has forgotten payments that were sent, and upstream puts their intents
on the queue again: under the same reference the provider's books still show them. What a database hands out (an id)
or what is drawn at random would be another one then, and the payment would go out twice.
"""

import hmac
from collections.abc import Sequence

MIN_KEY_CHARACTERS = 32

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxy"  # 31, a prime: that is what makes the check character find errors
_BASE = len(_ALPHABET)
_LENGTH = 20


def reference(key: bytes, source: str, intent_id: str) -> str:
    """20 characters of `[0-9a-z]`: 19 of HMAC-SHA-256 (RFC 2104) over the intent's names, about 94 bits, and a check
    character.

    Each name stands behind its length, so that no two pairs make the same text. Not made from the content: an intent
    that comes back changed has to meet its own marker in the books.
    """
    named = b"".join(len(name).to_bytes(4, "big") + name for name in (source.encode(), intent_id.encode()))
    number = int.from_bytes(hmac.digest(key, named, "sha256"), "big")
    digits = []
    for _ in range(_LENGTH - 1):
        number, digit = divmod(number, _BASE)
        digits.append(digit)
    return "".join([_ALPHABET[digit] for digit in (*digits, _check_digit(digits))])


def fingerprint(key: bytes) -> str:
    """What tells one key from another and gives nothing of it away: 16 hex digits."""
    return hmac.digest(key, b"settlepipe reference key", "sha256").hex()[:16]


def is_reference(text: str) -> bool:
    """Is this one of ours, undamaged? A provider that cuts or mangles comments fails this."""
    if len(text) != _LENGTH or not all(character in _ALPHABET for character in text):
        return False
    *digits, check = map(_ALPHABET.index, text)
    return _check_digit(digits) == check


def _check_digit(digits: Sequence[int]) -> int:
    """A weighted sum modulo 31: finds every single wrong character and every swap of two."""
    return sum(place * digit for place, digit in enumerate(digits, 1)) % _BASE
