"""What a line of a provider's books is called: its number in the account's list, or a digest of what it says. Pure."""

import hashlib
from collections import Counter
from collections.abc import Sequence

_DIGEST = "~"  # what a digest begins with, and no provider's number does


def keys(lines: Sequence[tuple[str | None, Sequence[object]]]) -> list[str]:
    """A name for each line of one account's list, of (its number there, what it says): the number; without one a digest
    of what it says, and its place among those that say the same. Two that say the same can't be told apart: as many
    names as lines is what counts."""
    seen: Counter[str] = Counter()
    named = []
    for number, content in lines:
        if number:
            named.append(number)
            continue
        digest = hashlib.sha256(repr(tuple(content)).encode("utf-8", "backslashreplace")).hexdigest()[:16]
        seen[digest] += 1
        named.append(f"{_DIGEST}{digest}-{seen[digest]}")
    return named


def is_number(key: str) -> bool:
    """Is it the provider's own number?"""
    return not key.startswith(_DIGEST)
