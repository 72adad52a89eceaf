"""`python -m tests.at TIME ZONE COMMAND…`: run a command, and all that it starts, as if it were TIME (UTC) now.

libfaketime moves the clock of every process by the same length, PostgreSQL's and Valkey's too; it goes on from there.
Clocks that only measure (monotonic) stay. In front of it stands support/waits.c, which says why; a C compiler makes it.
ZONE is the machine's time zone.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime
from glob import glob
from pathlib import Path

PRELOADED = Path(__file__).parent / "support/preloaded"
_WAITS = Path(__file__).parent / "support/waits.c"
_LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"


def variables(at: str, zone: str) -> dict[str, str]:
    """What a process and its children have in their environment to believe in this time. Exits with a sentence."""
    found = glob(_LIBRARY)
    if not found:
        sys.exit("libfaketime is missing: tests/system/install installs it on Debian and Ubuntu (package faketime)")
    try:
        moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    except ValueError:
        sys.exit(f"AT={at} is no time; write it in UTC as AT='2028-02-29 23:50:00'")
    ahead_s = round((moment - datetime.now(UTC)).total_seconds())
    return {
        "LD_PRELOAD": f"{_waits()} {found[0]}",
        "FAKETIME": f"{ahead_s:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # it makes of each short wait for the interpreter's lock a busy one
        "NO_FAKE_STAT": "1",  # files keep the times that they are given
        "PYTHONPATH": str(PRELOADED),
        "TZ": zone,
    }


def _waits() -> Path:
    """The library that is made of waits.c, made when it is missing or older. Several may make it at once."""
    made = _WAITS.parents[2] / "build" / "waits.so"
    if not made.exists() or made.stat().st_mtime < _WAITS.stat().st_mtime:
        made.parent.mkdir(exist_ok=True)
        mine = made.with_suffix(f".{os.getpid()}")
        try:
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", mine, _WAITS], check=True)
        except FileNotFoundError:
            sys.exit("a C compiler is missing: tests/system/install installs it on Debian and Ubuntu (package gcc)")
        mine.replace(made)
    return made


if __name__ == "__main__":
    at, zone, *command = sys.argv[1:]
    os.execvpe(command[0], command, os.environ | variables(at, zone))  # noqa: S606 - a command of the caller's own
