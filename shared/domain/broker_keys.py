"""What our keys at the broker are called, and what may stand before all of them. Pure.

Whoever reads or writes a key says one of these names; `shared.messaging.prefixed` puts the installation's prefix before
it, and nobody else does.
"""

import re

INTAKE = "settlepipe:intake"  # by default; INTAKE__SOURCES names others
EVENTS = "settlepipe:events"
EVENTS_TURN = "settlepipe:events:turn"  # the highest number under which a relay has written, or would
BELL = "settlepipe:bell"
WITNESS = "settlepipe:witness:{installation}"

# The last character keeps `shop` from being the beginning of `shop2`, for an account's pattern too.
_PREFIX = re.compile(r"([A-Za-z0-9][A-Za-z0-9._:-]{0,62}[._:-])?")


class BadPrefix(ValueError):  # noqa: N818 - says what is wrong
    """It can't stand before keys. The message is a sentence that says what to write."""


def checked(prefix: str) -> str:
    """The prefix; empty: none. Raises BadPrefix for what the broker, or an account's pattern, takes for more than it
    says."""
    if not _PREFIX.fullmatch(prefix):
        raise BadPrefix(
            "is no prefix of keys; write letters, digits and . _ : - alone, at most 64 in all, a letter or a digit"
            " first and one of those four last, as in shop-a:"
        )
    return prefix
