"""The guide's blocks, as they stand, on machines that systemd boots: three providers, faults, a clean ledger."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE
from tests.support.programs import path_of
from tests.support.stack import ROOT
from tests.system.runs_the_guide import NOT_RUN, PLAN, chosen


def test_each_block_is_run_or_is_named_with_the_reason() -> None:
    _, left = chosen(PLAN)
    assert [f"{block}: {block.text}" for block in left if not NOT_RUN.keys() & {*block.words}] == []
    assert NOT_RUN.keys() == {word for block in left for word in block.words}


@pytest.mark.timeout(900 * PATIENCE)
def test_the_guide_is_followed_on_three_machines_and_each_payment_is_settled_once() -> None:
    for program in ("ip", "pgbouncer", "nsenter", "runuser"):
        path_of(program)
    if not Path("/lib/systemd/systemd").exists():
        path_of("systemd")
    if os.geteuid() != 0:
        pytest.fail("a machine that systemd boots needs root", pytrace=False)
    with tempfile.TemporaryDirectory(prefix="settlepipe-guide-") as folder:
        follow = 'python=$1 folder=$2; set -e; mount -t tmpfs -o mode=755 tmpfs "$folder"\n'
        follow += '"$python" -m tests.system.runs_the_guide "$folder" install\n'
        follow += 'unshare --net "$python" -m tests.system.runs_the_guide "$folder" follow\n'
        inside = ["sh", "-c", follow, "sh", sys.executable, folder]
        spaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        done = subprocess.run(
            [path_of("unshare"), *spaces, *inside],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=880 * PATIENCE,
            check=False,
        )
    assert done.returncode == 0, (done.stdout[-4000:], done.stderr[-8000:])
    assert "90 payments settled once" in done.stdout, done.stdout
