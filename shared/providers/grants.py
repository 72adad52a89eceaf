"""What the answer of a log-in says: its token, and when that ends. Pure.

Read leniently in all but the token: whatever an answer says of times, a token in it lets calls in or gets a 401.
"""

import base64
import json
import re
from typing import Any

from shared.providers.raw_answers import HttpAnswer, one_object

MAX_LIFE_S = 30 * 86_400.0  # nobody's token is believed to live longer without being renewed
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")  # goes into a header
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,20})?", re.ASCII)


class Number(str):
    """A number of a JSON text as it stands there: none of them (NaN, 1e999999) is a reason to stay logged out."""


def document(outcome: HttpAnswer) -> dict[str, Any] | None:
    """The object in a 200, its numbers as `Number`; None for all else, and for one that contradicts itself."""
    if outcome.status != 200:
        return None
    try:
        read = json.loads(
            outcome.body, parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=one_object
        )
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def token(value: Any) -> str | None:
    """The text, if it is one that a header can carry."""
    fits = isinstance(value, str) and not isinstance(value, Number) and _TOKEN.fullmatch(value)
    return value if fits else None


def seconds(value: Any) -> float | None:
    """A number of seconds above zero, given as a number or as its digits; None for anything else."""
    number = "" if isinstance(value, bool) else str(value)
    found = float(number) if _NUMBER.fullmatch(number) else 0.0
    return found or None


def ends_at(value: str) -> float | None:
    """`exp` of a JWT, seconds since 1970, read without verifying it: it is the issuer's word to us, and only says when
    to renew. None where it is none."""
    try:
        payload = value.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), parse_float=Number)
        return seconds(claims["exp"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None
