"""Counts in sentences. Pure."""

from collections.abc import Callable


def counted(count: int, one: str, many: str | None = None, write: Callable[[int], str] = str) -> str:
    """`1 row`, `2 rows`, `0 rows`; verbs as well (`1 is new`, `2 are new`).

    many: where it is not `one` with an s. write: how the number is written, e.g. in the reader's locale.
    """
    return f"{write(count)} {one if count == 1 else many or one + 's'}"
