"""How much a test does: in `make test` a little of everything, in `make test-large` as much as shall prove it."""

import os

LARGE = os.environ.get("TEST_SIZE") == "large"
MOMENTS = int(os.environ.get("MOMENTS", "1"))  # to which a database is restored, each in a drill of its own


def sized(small: int, large: int) -> int:
    """The figure of this run. A module that asks for one is marked `large`."""
    return large if LARGE else small
