"""`python -m tests.at TIME ZONE COMMAND…`: run a command, and all that it starts, as if it were TIME (UTC) now.

libfaketime moves the clock of every process by the same length, PostgreSQL's and Valkey's too; it goes on from there.
Clocks that only measure (monotonic) stay. ZONE is the machine's time zone.
"""

import os
import sys
from datetime import UTC, datetime
from glob import glob
from pathlib import Path

PRELOADED = Path(__file__).parent / "support/preloaded"
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
        "LD_PRELOAD": found[0],
        "FAKETIME": f"{ahead_s:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # it makes of each short wait for the interpreter's lock a busy one
        "NO_FAKE_STAT": "1",  # files keep the times that they are given
        "PYTHONPATH": str(PRELOADED),
        "TZ": zone,
    }


if __name__ == "__main__":
    at, zone, *command = sys.argv[1:]
    os.execvpe(command[0], command, os.environ | variables(at, zone))  # noqa: S606 - a command of the caller's own
