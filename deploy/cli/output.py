"""What commands print: JSON Lines for programs, tables of 80 columns for people; colour only on a terminal."""

import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDTH = 80
JsonFlag = Annotated[bool, typer.Option("--json", help="for programs: JSON, in lists an object a line")]

# Text from outside must not steer the terminal, nor turn what is read around; half a surrogate pair can't be written.
_UNSAFE = [*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)]
_ESCAPES = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _UNSAFE}


def safe(text: object) -> str:
    """Text for people, with control characters escaped; nothing for None."""
    return "" if text is None else str(text).translate(_ESCAPES)


def json_lines(rows: Iterable[str]) -> None:
    """Each row is one JSON text."""
    for row in rows:
        # Half a surrogate pair can't be written; its escape says the same in JSON.
        sys.stdout.write(row.encode("utf-8", "backslashreplace").decode() + "\n")


def as_it_is(pieces: Iterable[bytes]) -> None:
    """Behind what was printed, bytes that are UTF-8."""
    sys.stdout.flush()
    for piece in pieces:
        sys.stdout.buffer.write(piece)


def console(stderr: bool = False) -> "Console":
    """Where tables and progress go; 80 columns unless a terminal has another width."""
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    # No emoji in place of their names: a text is shown as it is, and rich would read its list of them for each command.
    return Console(stderr=stderr, width=None if terminal else WIDTH, highlight=False, markup=False, emoji=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; columns whose name starts with `>` are aligned right.

    Texts are wrapped between words, and no word (an id, a digest) is broken: where one is too long for the screen, each
    row is lines instead, and whatever is longer than a line is left to the terminal.
    """
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        shown.add_column(name.lstrip(">="), justify=_justify(name), overflow="fold", no_wrap=name.startswith("="))
    cells = [[_cell(cell) for cell in row] for row in rows]
    for row in cells:
        shown.add_row(*row)
    screen = console()
    least = screen.measure(shown, options=screen.options.update(max_width=10_000)).minimum
    if least <= screen.width:
        screen.print(shown)
    else:
        _lines([name.lstrip(">=") for name in columns], [[cell.plain for cell in row] for row in cells], screen.width)


def _lines(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> None:
    """Of two columns the first names the second; of more each row is lines that their columns name."""
    named = (
        rows if len(columns) == 2 else [pair for row in rows for pair in (*zip(columns, row, strict=True), ("", ""))]
    )
    wide = max((len(name) for name, _ in named), default=0)
    for name, text in named:
        parts = [part for line in text.split("\n") for part in _wrapped(line, width - wide - 2)] or [""]
        for place, part in enumerate(parts):
            print(f"{name if place == 0 else '':<{wide}}  {part}".rstrip())


def _wrapped(line: str, width: int) -> list[str]:
    """Between words; one that is longer stays whole."""
    return textwrap.wrap(line, max(width, 20), break_long_words=False, break_on_hyphens=False)


def entry(head: Iterable[str | None], lines: Iterable[tuple[str, str | None]]) -> None:
    """A line and what belongs to it, named, below; what is None or empty is left out. Nothing is folded: ids and
    commands can be copied."""
    print(safe("  ".join(part for part in head if part)))
    for name, text in lines:
        if text:
            print(f"    {name:<7} {safe(text)}")
    print()


def titled(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A dense table under a line of its own. Only texts of several words are wrapped; where that is not narrow enough
    for the screen, each row is a block of lines instead."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    screen = console()
    screen.print(safe(title), overflow="fold")
    if cells:
        shown = _dense(columns, cells)
        least = screen.measure(shown, options=screen.options.update(max_width=10_000)).minimum
        for part in [shown] if least <= screen.width else [_block(columns, row) for row in cells]:
            screen.print(part)
            screen.print()


def _dense(columns: Sequence[str], cells: "Sequence[Sequence[Text]]") -> "Table":
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, name in enumerate(columns):
        one_word = not any(" " in row[place].plain for row in cells)
        shown.add_column(name.removeprefix(">"), justify=_justify(name), overflow="fold", no_wrap=one_word)
    for row in cells:
        shown.add_row(*row)
    return shown


def _justify(column: str) -> Literal["left", "right"]:
    return "right" if column.startswith(">") else "left"


def _block(columns: Sequence[str], row: "Sequence[Text]") -> "Table":
    from rich.table import Table

    shown = Table(box=None, show_header=False, pad_edge=False)
    shown.add_column(overflow="fold")
    shown.add_column(overflow="fold")
    for name, cell in zip(columns, row, strict=True):
        shown.add_row(name.removeprefix(">"), cell)
    return shown


def _cell(value: object) -> "Text":
    from rich.text import Text

    return Text("\n".join(safe(item) for item in value) if isinstance(value, list | tuple) else safe(value))


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
