"""Lines of a file that somebody names, or of stdin: bounded, counted, with a bar that shows how far it is."""

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from deploy.cli import output
from deploy.cli.failures import WrongUse

MAX_LINE_BYTES = 1024 * 1024
_SKIPPED_BYTES = 4 * 1024 * 1024  # at a time, of a line that is longer


def numbered(
    readable: BinaryIO, advanced: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[int, bytes | None]]:
    """The lines that aren't blank, without their ends, each with its number; None: it is longer than MAX_LINE_BYTES.

    advanced: told how many bytes were read.
    """
    for number in itertools.count(1):
        line = readable.readline(MAX_LINE_BYTES + 2)
        if not line:
            return
        advanced(len(line))
        content = line.removesuffix(b"\n").removesuffix(b"\r")
        if len(content) > MAX_LINE_BYTES:
            yield number, None
            while not line.endswith(b"\n") and (line := readable.readline(_SKIPPED_BYTES)):
                advanced(len(line))
        elif content.strip():
            yield number, content


@contextlib.contextmanager
def opened(file: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """The file of this name, - for stdin, and its size where that is known. Raises WrongUse for one that can't be
    read."""
    if file == "-":
        yield sys.stdin.buffer, None
        return
    try:
        readable = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise WrongUse(f"{output.safe(file)} can't be read ({error.strerror}); name a file, or - for stdin") from None
    with readable:
        try:
            size = Path(file).stat().st_size
        except OSError:
            size = 0
        yield readable, size or None


@contextlib.contextmanager
def progress(what: str, size: int | None) -> Iterator[Callable[[int], None]]:
    """A bar of the bytes read, on stderr when it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import Progress

    with Progress(console=output.console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=size)
        yield lambda count: shown.advance(task, count)
