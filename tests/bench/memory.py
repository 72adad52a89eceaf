"""How much memory processes have, and whether it grows. Linux only."""

import contextlib
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HALF_HOUR_S = 1800.0
_READ = ("Pss:", "Pss_Anon:", "SwapPss:")


@dataclass(frozen=True, slots=True)
class Memory:
    """In MB. own: its heaps and stacks. all: also its share of what several have in common, as programs, libraries and
    PostgreSQL's buffers, which fill once and are never more than was set."""

    own: float
    all: float


@dataclass(frozen=True, slots=True)
class Trend:
    """Of one process, in MB. slope: what it grows in half an hour, as a share of its mean; the medians of the first and
    of the last fifth of the samples stand beside it, which a single high sample does not move."""

    own: float
    all: float
    slope: float
    first: float
    last: float


def of(pids: Sequence[int]) -> Memory:
    """Of these together; one that has ended has none. What they share is counted once.

    Raises RuntimeError where Linux does not tell it.
    """
    told = Counter[str]()
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            told.update({words[0]: int(words[1]) for words in map(str.split, lines) if words[0] in _READ})
    if not told["Pss_Anon:"]:
        raise RuntimeError(
            f"/proc tells nothing of the memory of {list(pids)}; it takes Linux 5.4 or newer, and be root"
        )
    own, swapped = told["Pss_Anon:"] / 1024, told["SwapPss:"] / 1024
    return Memory(own=own + swapped, all=told["Pss:"] / 1024 + swapped)


def trend(at_s: Sequence[float], samples: Sequence[Memory]) -> Trend:
    """By least squares, of samples that were taken at these seconds."""
    own = [sample.own for sample in samples]
    fifth = max(1, len(own) // 5)
    mean = statistics.mean(own)
    return Trend(
        own=mean,
        all=statistics.mean(sample.all for sample in samples),
        slope=statistics.linear_regression(at_s, own).slope * HALF_HOUR_S / mean,
        first=statistics.median(own[:fifth]),
        last=statistics.median(own[-fifth:]),
    )
