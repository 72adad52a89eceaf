"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

BUFFER_BYTES = 1 << 20


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Write beside `path`, and put it in its place at the end. After an exception or a kill the old one is still there.

    One writer at a time: what a killed one left behind is written over.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("wb", buffering=BUFFER_BYTES) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
