"""Read by every Python under `python -m tests.at`: time.sleep that libfaketime does not break.

Python 3.11 and later sleep until a moment of the monotonic clock (clock_nanosleep). libfaketime 0.9.10 takes it for one
of the clock that it moves, and the sleep fails with EINVAL.
"""

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


time.sleep = _sleep
