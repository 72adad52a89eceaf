"""submit: JSON Lines onto the intake queue, as they are; with --wait until each has its outcome."""

import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from deploy.cli import output, stack
from deploy.cli.failures import Failed, WrongUse
from shared.domain.words import counted

if TYPE_CHECKING:
    import redis

    from deploy.cli.submit_wait import Followed

MAX_LINE_BYTES = 1024 * 1024
BATCH_LINES = 500
BATCH_BYTES = 4 * 1024 * 1024
_SHOWN = 20  # payments that did not succeed, named in the summary
INTAKE = "settlepipe:intake"


def submit(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON Lines, an intent a line; - is stdin")],
    wait: Annotated[bool, typer.Option("--wait", help="until each is final, parked or quarantined")] = False,
    stream: Annotated[str, typer.Option(help="the intake stream")] = INTAKE,
    timeout: Annotated[
        float, typer.Option(min=1, help="with --wait: give up after so many seconds without news")
    ] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="the summary as a JSON object")] = False,
) -> None:
    """Put intents on the intake queue as they are. Submitting again is safe: an intent's id makes it so."""
    too_long: list[int] = []
    with _opened(file) as (readable, size), stack.broker() as client, _progress(size) as advanced:
        _must_be_read(client, stream)
        lines = read_lines(readable, too_long, advanced)
        if wait:
            _submit_and_wait(client, stream, lines, timeout_s=timeout, too_long=too_long, as_json=as_json)
            return
        count = _put(client, stream, lines)
    if as_json:
        print(json.dumps({"submitted": count, "too_long": len(too_long)}))
    else:
        print(f"{count} submitted")
    _complain(too_long)


def read_lines(
    readable: BinaryIO, too_long: list[int], advanced: Callable[[int], None] = lambda _: None
) -> Iterator[bytes]:
    """The lines that aren't blank, without their ends. One longer than MAX_LINE_BYTES is left out and its number kept.

    advanced: told how many bytes were read.
    """
    for number in itertools.count(1):
        line = readable.readline(MAX_LINE_BYTES + 2)
        if not line:
            return
        advanced(len(line))
        content = line.removesuffix(b"\n").removesuffix(b"\r")
        if len(content) > MAX_LINE_BYTES:
            too_long.append(number)
            while not line.endswith(b"\n") and (line := readable.readline(BATCH_BYTES)):
                advanced(len(line))
        elif content.strip():
            yield content


def batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Lines in lists of at most BATCH_LINES and about BATCH_BYTES."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) >= BATCH_LINES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _must_be_read(client: "redis.Redis", stream: str) -> None:
    """Raises WrongUse where no intake reads this stream, by these settings or by the group that one has made."""
    import redis

    from shared.messaging import intake_stream

    known = stack.settings().intake.sources
    if stream in known:
        return
    try:
        read = intake_stream.is_read(client, stream)
    except redis.ResponseError:  # it is no stream at all
        read = False
    if not read:
        raise WrongUse(
            f"nobody reads the stream {output.safe(stream)}; SETTLEPIPE_INTAKE__SOURCES has"
            f" {', '.join(map(output.safe, sorted(known)))}"
        )


def _put(client: "redis.Redis", stream: str, lines: Iterable[bytes]) -> int:
    import redis

    from shared.messaging import intake_stream

    count = 0
    try:
        for batch in batches(lines):
            intake_stream.submit(client, stream, batch)
            count += len(batch)
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if isinstance(error, redis.AuthenticationError) or not count:
            raise
        raise Failed(
            f"the broker stopped answering after {counted(count, 'intent was', 'intents were')} submitted;"
            " submit the whole file again, what was accepted stays as it is"
        ) from None
    return count


def _submit_and_wait(
    client: "redis.Redis",
    stream: str,
    lines: Iterable[bytes],
    *,
    timeout_s: float,
    too_long: list[int],
    as_json: bool,
) -> None:
    from deploy.cli.submit_wait import Followed, follow

    followed = Followed()
    with output.status() as show:
        follow(client, stream, followed, batches(lines), timeout_s=timeout_s, show=show)
    if as_json:
        print(json.dumps(followed.summary() | {"too_long": len(too_long)}, ensure_ascii=False))
    else:
        _print_summary(followed)
    _complain(too_long)
    counts = followed.counts()
    undecided = counts.get("undecided", 0)
    if undecided:
        has = "has" if undecided == 1 else "have"
        raise Failed(f"{undecided} of {counts.total()} {has} no outcome yet; submit the same file again to follow on")
    failed = counts.total() - counts["succeeded"]
    if failed:
        raise Failed(f"{failed} of {counts.total()} did not succeed; see `settlepipe payments` and `quarantine`")


def _print_summary(followed: "Followed") -> None:
    output.table(("outcome", ">intents"), followed.counts().items())
    others = [line for line in followed.lines() if line.outcome != "succeeded"]
    if others:
        rows = ((line.subject or "-", line.outcome or "undecided", line.detail) for line in others[:_SHOWN])
        output.table(("payment", "outcome", "because"), rows)
    if len(others) > _SHOWN:
        output.note(f"and {len(others) - _SHOWN} more that did not succeed")


def _complain(too_long: list[int]) -> None:
    if too_long:
        named = ", ".join(map(str, too_long[:_SHOWN])) + (" and more" if len(too_long) > _SHOWN else "")
        raise Failed(
            f"{counted(len(too_long), 'line is', 'lines are')} longer than 1 MiB and not submitted (line {named});"
            " all others were"
        )


@contextlib.contextmanager
def _opened(file: str) -> Iterator[tuple[BinaryIO, int | None]]:
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
def _progress(size: int | None) -> Iterator[Callable[[int], None]]:
    """A bar of the bytes read, on stderr when it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import Progress

    with Progress(console=output.console(stderr=True), transient=True) as progress:
        task = progress.add_task("submitting", total=size)
        yield lambda count: progress.advance(task, count)
