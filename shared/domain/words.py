"""Counts and ages in sentences; texts that are there in several languages (`shared.languages`). Pure."""

from collections.abc import Callable

Say = Callable[..., str]  # a text and its values, as `plain`: in somebody's language


def mark(text: str) -> str:
    """This text, marked as one to be translated where it is shown."""
    return text


def plain(text: str, **values: object) -> str:
    """This text as it is; `%(name)s` in it is a value."""
    return text % values if values else text


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
