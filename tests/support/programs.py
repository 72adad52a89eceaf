"""Programs of the system's that tests in tests/system run: a missing one fails its test, it never skips it."""

import shutil

import pytest


def path_of(*names: str) -> str:
    """The path of the first of these programs that is there."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.fail(f"{names[0]} is missing: tests/system/install installs it on Debian and Ubuntu", pytrace=False)
    return found
