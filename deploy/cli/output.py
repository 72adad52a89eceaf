"""What commands print: JSON Lines for programs, tables of 80 columns for people; colour only on a terminal."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 80
JsonFlag = Annotated[bool, typer.Option("--json", help="for programs: JSON, in lists an object a line")]

# Text from outside must not steer the terminal, nor turn what is read around.
_UNSAFE = [*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_ESCAPES = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _UNSAFE}


def safe(text: object) -> str:
    """Text for people, with control characters escaped; nothing for None."""
    return "" if text is None else str(text).translate(_ESCAPES)


def json_lines(rows: Iterable[str]) -> None:
    """Each row is one JSON text."""
    for row in rows:
        sys.stdout.write(row + "\n")


def console(stderr: bool = False) -> "Console":
    """Where tables and progress go; 80 columns unless a terminal has another width."""
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=None if terminal else WIDTH, highlight=False, markup=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; columns whose name starts with `>` are aligned right.

    Cells are folded, never cut; those of a column that starts with `=` are not even folded, for people to compare.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        justify = "right" if name.startswith(">") else "left"
        whole = name.startswith("=")
        shown.add_column(name.lstrip(">="), justify=justify, overflow="fold", no_wrap=whole)  # type: ignore[arg-type]
    for row in rows:
        shown.add_row(*(Text(safe(cell)) for cell in row))
    console().print(shown)


def note(text: str) -> None:
    """A line on stderr that no program reads."""
    print(text, file=sys.stderr)


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """A function that shows how far it is: a live line on a terminal's stderr, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with console(stderr=True).status("") as live:
        yield live.update
