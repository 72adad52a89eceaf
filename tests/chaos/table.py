"""What a person sees: a line of progress, and a table of 80 columns at the end."""

import time
from collections.abc import Iterator
from typing import TextIO

from tests.chaos.run import Result

WIDTH = 80
_SAY_S = 10.0  # on what is no terminal


class Progress:
    """Tells how far a run is: one line that is written anew on a terminal, a line now and then elsewhere."""

    def __init__(self, sink: TextIO) -> None:
        self._sink, self._begun, self._said = sink, time.monotonic(), float("-inf")

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        line = f"{now - self._begun:5.0f} s  {text}"[: WIDTH - 1]
        if self._sink.isatty():
            print(f"\r{line:<{WIDTH - 1}}", end="", file=self._sink, flush=True)
        elif now - self._said >= _SAY_S:
            self._said = now
            print(line, file=self._sink, flush=True)


def table(result: Result) -> str:
    """The end of a run."""
    return "\n".join(line[:WIDTH] for line in _lines(result))


def _lines(result: Result) -> Iterator[str]:
    yield "─" * WIDTH
    yield f"seed {result.seed}: {'BROKEN' if result.violations else 'all invariants held'}"
    yield "─" * WIDTH
    states = ", ".join(f"{count} {state}" for state, count in sorted(result.states.items()))
    yield _row("payments", f"{result.payments} ({states})")
    yield _row("lost", str(result.lost))
    yield _row("doubled", str(result.doubled))
    yield _row("sent again", f"{result.resent} attempts")
    yield _row("quarantined", str(result.quarantined))
    yield _row("events", str(result.events))
    yield _row("time", f"start {result.start_s:.0f} s, drain {result.drain_s:.1f} s, whole {result.whole_s:.0f} s")
    for reason, count in sorted(result.parked.items()):
        yield _row("parked", f"{count} {reason}")
    words = [f"{kind} {count}" for kind, count in sorted(result.struck.items()) if count]
    for number, line in enumerate(_wrapped(words)):
        yield _row("faults" if number == 0 else "", line)
    for sentence in result.violations:
        yield _row("BROKEN", sentence)
    yield "─" * WIDTH


def _row(name: str, text: str) -> str:
    return f"{name:<12} {text}"


def _wrapped(words: list[str]) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + len(word) + 2 > WIDTH - 13:
            yield line
            line = ""
        line = f"{line}, {word}" if line else word
    if line:
        yield line
