"""Our reference of a payment at its provider."""

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxy"  # 31, a prime: that is what makes the check character find errors
_TIME_BITS, _RANDOM_BITS, _LENGTH = 42, 52, 20


def new_reference() -> str:
    """20 characters of `[0-9a-z]`, never used before: milliseconds, 52 random bits, a check character.

    Not derived from the payment's row: a database restored from a backup hands out the same ids again, and a
    provider that has seen such an id would take a new payment for an old one.
    """
    number = (time.time_ns() // 1_000_000 & (1 << _TIME_BITS) - 1) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    characters = []
    for _ in range(_LENGTH - 1):
        number, digit = divmod(number, 31)
        characters.append(_ALPHABET[digit])
    body = "".join(reversed(characters))
    return body + _check_character(body)


def is_reference(text: str) -> bool:
    """Is this one of ours, undamaged? A provider that cuts or mangles comments fails this."""
    return len(text) == _LENGTH and all(c in _ALPHABET for c in text) and _check_character(text[:-1]) == text[-1]


def _check_character(body: str) -> str:
    """A weighted sum modulo 31: finds every single wrong character and every swap of two."""
    total = sum((position + 1) * _ALPHABET.index(character) for position, character in enumerate(body))
    return _ALPHABET[total % 31]
