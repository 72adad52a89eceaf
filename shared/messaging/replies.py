"""Replies of the broker to reads of streams, in one form whatever the protocol (RESP2, RESP3)."""

from typing import Any


def pairs(answer: Any) -> list[tuple[bytes, Any]]:
    """(stream, its entries) of each stream in the answer to a read."""
    if not answer:
        return []
    pairs = answer.items() if isinstance(answer, dict) else answer
    return [(stream, rows) for stream, rows in pairs]


def flat(rows: Any) -> Any:
    """The entries themselves."""
    nested = rows and isinstance(rows[0], list) and rows[0] and isinstance(rows[0][0], tuple)
    return rows[0] if nested else rows  # RESP3 nests one level deeper
