"""The numbers of PostgreSQL's advisory locks, so that no two things share one. Single keys and pairs don't meet.

A sender's sign of life (`shared.runtime`) has a random key of 63 bits.
"""

import zlib

MIGRATIONS = 7310587403
RELAY = 7310587404  # of the one active relay
LOGIN = 715_827  # with the provider: one log-in of the whole fleet at a time
TICK = 715_828  # of the one process that plans jobs
NIGHT = 715_829  # with the provider: one comparison of its books at a time
ALERTS = 7310587405  # of the one process that writes what stands still
AUDIT = 7310587406  # of the one transaction that adds to the audit


def of_name(name: str) -> int:
    """The second key of a pair, of a provider's name say: 32 bits with a sign."""
    return zlib.crc32(name.encode()) - (1 << 31)
