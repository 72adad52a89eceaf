"""How much a test does: in `make test` a little of everything, in `make test-large` as much as shall prove it."""

import os

LARGE = os.environ.get("TEST_SIZE") == "large"


def sized(small: int, large: int) -> int:
    """The figure of this run. A module that asks for one is marked `large`."""
    return large if LARGE else small
