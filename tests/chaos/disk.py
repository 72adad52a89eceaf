"""A disk of the run's own, small enough to be filled: a tmpfs, where the machine lets us mount one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.plan import Draws, Strike
from tests.chaos.world import World

SIZE = "700m"
KEPT = "kept"  # beside the home: what is left of it
_BALLAST = "ballast"
_PIECE_BYTES = 2**24
_LEAST_BYTES = 4096


@contextmanager
def small(home: Path) -> Iterator[bool]:
    """`home` on a disk of its own for the length of the block; True where that could be had. What is in it at the
    end of a block that fails, or that leaves a file `keep` in it, is kept beside it."""
    home.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", str(home)]
    mounted = bool(shutil.which("mount")) and not subprocess.run(mount, capture_output=True, check=False).returncode
    whole = False
    try:
        yield mounted
        whole = True
    finally:
        if mounted:
            if not whole or (home / "keep").exists():
                (home / _BALLAST).unlink(missing_ok=True)
                subprocess.run(["cp", "-a", str(home), str(home.with_name(f"{home.name}-{KEPT}"))], check=False)
            subprocess.run(["umount", "--lazy", str(home)], check=True)


@contextmanager
def full(world: World, strike: Strike) -> Iterator[None]:
    """No byte is left on the disk of PostgreSQL, the broker and the logs."""
    ballast = world.stack.home / _BALLAST
    if not os.path.ismount(world.stack.home):
        world.struck["disk_full: no disk to fill"] += 1
        yield
        return
    try:
        with ballast.open("wb", buffering=0) as file:
            _fill(file.fileno())
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _fill(file: int) -> None:
    size, end = _PIECE_BYTES, 0
    while size >= _LEAST_BYTES:
        try:
            os.posix_fallocate(file, end, size)
            end += size
        except OSError:
            size //= 2


KINDS = {"disk_full": (Draws(lambda rng, _: ("postgres", ""), 1, 3, rest_s=4), full)}
