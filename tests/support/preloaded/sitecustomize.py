"""Read by every Python that has this folder in its path: under `python -m tests.at`, and in the parts of `make chaos`.

Under the first: time.sleep that libfaketime does not break. In the second: points where a process can be killed.

Python 3.11 and later sleep until a moment of the monotonic clock (clock_nanosleep). libfaketime 0.9.10 takes it for one
of the clock that it moves, and the sleep fails with EINVAL.
"""

import os
import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex) -> None:
    length_s = float(seconds)
    if length_s < 0:
        raise ValueError("sleep length must be non-negative")
    end = time.monotonic() + length_s
    while (left := end - time.monotonic()) > 0:
        select.select((), (), (), min(left, 86_400))


if "FAKETIME" in os.environ:
    time.sleep = _sleep
if "CHAOS_POINTS" in os.environ:
    import kill_points  # type: ignore[import-not-found]  # it stands beside this file

    kill_points.prepare(os.environ["CHAOS_POINTS"])
