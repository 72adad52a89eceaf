"""What the jobs' worker did, counted where a scrape asks: jobs run in children, and the parent answers.

A child writes a line into a pipe for each run that ended; the parent reads them. Nothing of a job waits for that: a
line that the pipe has no room for is left out.
"""

import contextlib
import json
import os
import threading

from shared.telemetry import counters

_to_parent: list[int] = []  # the pipe's end for writing; none where this process does the jobs itself


def ended(name: str, outcome: str, took_s: float) -> None:
    """A run of this job has ended. outcome: a word; took_s: how long it took, 0 where nobody knows."""
    if not _to_parent:
        counters.job(name, outcome, took_s)
        return
    # Some 100 bytes: a pipe takes 512 whole, whoever else writes.
    line = json.dumps([name, outcome, took_s]).encode() + b"\n"
    with contextlib.suppress(OSError):  # it is full, or the parent is gone
        os.write(_to_parent[0], line)


def gather() -> None:
    """Count here, from now on, what the children that are forked later tell. Once, in the parent."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    _to_parent.append(writing)
    threading.Thread(target=_read, args=(reading,), name="job-counts", daemon=True).start()


def _read(reading: int) -> None:
    with open(reading, "rb") as lines:
        for line in lines:
            counters.job(*json.loads(line))
