"""Counts and ages in sentences. Pure."""

from collections.abc import Callable


def counted(count: int, one: str, many: str | None = None, write: Callable[[int], str] = str) -> str:
    """`1 row`, `2 rows`, `0 rows`; verbs as well (`1 is new`, `2 are new`).

    many: where it is not `one` with an s. write: how the number is written, e.g. in the reader's locale.
    """
    return f"{write(count)} {one if count == 1 else many or one + 's'}"


def lasting(seconds: float) -> str:
    """How long it has been, in one unit: 45 s, 3 min, 2 h, 5 d."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
