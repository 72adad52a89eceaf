"""Processor time, which other load on the machine changes less than it changes a rate. Linux only."""

import os
from pathlib import Path

_TICKS_A_S = os.sysconf("SC_CLK_TCK")


def of_s(pid: int) -> float:
    """Seconds of a process and of what it started and has waited for; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:15]) / _TICKS_A_S


def used_s() -> float | None:
    """Seconds of processor time that the processes which we started, and theirs, have used; None where /proc is not.

    What ended before is not in it.
    """
    if not Path("/proc/self/stat").exists():
        return None
    parents, seconds = dict[int, int](), dict[int, float]()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            pid = int(folder.name)
            parents[pid], seconds[pid] = int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS_A_S
    return sum(seconds[pid] for pid in seconds if _ours(pid, parents))


def _ours(pid: int, parents: dict[int, int]) -> bool:
    while (pid := parents.get(pid, 0)) > 1:
        if pid == os.getpid():
            return True
    return False
