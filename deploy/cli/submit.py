"""submit: JSON Lines onto the intake queue, as they are; with --wait until each has its outcome."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from deploy.cli import lines, output, stack
from deploy.cli.failures import Failed, WrongUse
from shared.domain.broker_keys import INTAKE
from shared.domain.words import counted

if TYPE_CHECKING:
    import redis

    from deploy.cli.submit_wait import Followed

BATCH_LINES = 500
BATCH_BYTES = 4 * 1024 * 1024
_SHOWN = 20  # payments that did not succeed, named in the summary


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
    with (
        lines.opened(file) as (readable, size),
        stack.broker() as client,
        lines.progress("submitting", size) as advanced,
    ):
        _must_be_read(client, stream)
        given = read_lines(readable, too_long, advanced)
        if wait:
            _submit_and_wait(client, stream, given, timeout_s=timeout, too_long=too_long, as_json=as_json)
            return
        count = _put(client, stream, given)
    if as_json:
        print(json.dumps({"submitted": count, "too_long": len(too_long)}))
    else:
        print(f"{count} submitted")
    _complain(too_long)


def read_lines(
    readable: BinaryIO, too_long: list[int], advanced: Callable[[int], None] = lambda _: None
) -> Iterator[bytes]:
    """The lines that aren't blank, without their ends. One that is too long is left out and its number kept.

    advanced: told how many bytes were read.
    """
    for number, line in lines.numbered(readable, advanced):
        if line is None:
            too_long.append(number)
        else:
            yield line


def batches(given: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Lines in lists of at most BATCH_LINES and about BATCH_BYTES."""
    batch: list[bytes] = []
    size = 0
    for line in given:
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


def _put(client: "redis.Redis", stream: str, given: Iterable[bytes]) -> int:
    import redis

    from shared.messaging import intake_stream

    count = 0
    try:
        for batch in batches(given):
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
    given: Iterable[bytes],
    *,
    timeout_s: float,
    too_long: list[int],
    as_json: bool,
) -> None:
    from deploy.cli.submit_wait import Followed, follow

    followed = Followed()
    with output.status() as show:
        follow(client, stream, followed, batches(given), timeout_s=timeout_s, show=show)
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
