"""A limit on the processor time that something takes: a bound on how it grows, not on how fast the machine is."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick(limit_s: float) -> Iterator[None]:
    """What is done here takes less processor time than this.

    The garbage collector is off meanwhile: in a process that has run thousands of tests a collection takes a second.
    """
    gc.disable()
    try:
        begun = time.process_time()
        yield
        assert time.process_time() - begun < limit_s
    finally:
        gc.enable()
