"""The numbers of PostgreSQL's advisory locks, so that no two things share one, and the names of the rights that are
leases (`shared.database.leases`). Single keys and pairs don't meet.

A sender's sign of life (`shared.runtime`) has a random key of 63 bits.
"""

import zlib
from dataclasses import dataclass

# What a sign of life's session is called, before the lanes that its process serves.
LIFE = "settlepipe sign of life "
MIGRATIONS = 7310587403
TICK = 715_828  # of the one process that plans jobs
ALERTS = 7310587405  # of the one process that writes what stands still
AUDIT = 7310587406  # of the one transaction that adds to the audit

_OF_ONE, _OF_A_PAIR = 1, 2  # how PostgreSQL tells the two kinds of keys apart


@dataclass(frozen=True, slots=True)
class Right:
    """What one process at a time may do. name: of its lease. The rest is the session lock by which the release before
    held it, as pg_locks shows that one."""

    name: str
    kind: int
    group: int
    key: int


RELAY = Right("relay", _OF_ONE, 7310587404 >> 32, 7310587404 & 0xFFFF_FFFF)


def login(provider: str) -> Right:
    """To log in at this provider."""
    return Right(f"login {provider}", _OF_A_PAIR, 715_827, _of_name(f"settlepipe login {provider}"))


def night(provider: str) -> Right:
    """To compare this provider's books."""
    return Right(f"night {provider}", _OF_A_PAIR, 715_829, _of_name(provider))


def webhook(number: int) -> Right:
    """To deliver to this webhook."""
    return Right(f"webhook {number}", _OF_A_PAIR, 715_830, number & 0xFFFF_FFFF)


def _of_name(name: str) -> int:
    """A pair's second key, 32 bits with a sign, as pg_locks shows it."""
    return (zlib.crc32(name.encode()) - (1 << 31)) & 0xFFFF_FFFF
