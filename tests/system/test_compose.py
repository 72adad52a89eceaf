"""The compose files' own commands settle payments: each service on a network of its own, as Docker would have it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE
from tests.support.programs import path_of
from tests.support.stack import ROOT


@pytest.mark.parametrize("servers", ["bundled", pytest.param("external", marks=pytest.mark.only_large)])
@pytest.mark.timeout(240 * PATIENCE)
def test_300_payments_are_settled_once_by_the_services(servers: str) -> None:
    path_of("ip", "ip")
    own = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    with tempfile.TemporaryDirectory(prefix="settlepipe-compose-") as folder:
        Path(folder).chmod(0o755)
        inside = [sys.executable, "-m", "tests.system.settles_by_compose", folder, servers]
        done = subprocess.run(
            [path_of("unshare"), *own, "--net", "--mount", *inside],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=230 * PATIENCE,
            check=False,
        )
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-6000:])
    assert done.stdout.startswith("300 payments settled over 13 services"), done.stdout
