"""The units, as systemd's own program judges them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.docs import ROOT
from tests.support.programs import path_of

INSTALLED = "/opt/settlepipe/bin/settlepipe"
EXPOSED = 15  # of 100: what systemd calls OK begins at 50
INSTANCES = ["intake", "worker-mtn-1"]


def _judged(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([path_of("systemd-analyze"), *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they would be installed, with this installation's program, and two instances."""
    for unit in (ROOT / "deploy" / "systemd").iterdir():
        shutil.copy(unit, tmp_path)
    template = tmp_path / "settlepipe@.service"
    ours = Path(sys.executable).with_name("settlepipe")
    text = template.read_text("utf-8")
    assert text.count(INSTALLED) == 1
    template.write_text(text.replace(INSTALLED, str(ours)), "utf-8")
    for name in INSTANCES:
        shutil.copy(template, tmp_path / f"settlepipe@{name}.service")
    return tmp_path


def test_systemd_finds_nothing_to_say_about_them(units: Path) -> None:
    names = ["settlepipe.target", *(f"settlepipe@{name}.service" for name in INSTANCES)]
    done = _judged("verify", "--man=no", *(str(units / name) for name in names))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_would_say_so(units: Path) -> None:
    unit = units / "settlepipe@intake.service"
    unit.write_text(unit.read_text("utf-8").replace("Type=notify", "Type=notifies"), "utf-8")
    assert "notifies" in _judged("verify", "--man=no", str(unit)).stderr


def test_a_process_is_exposed_little(units: Path) -> None:
    def exposed() -> int:
        return _judged("security", "--offline=true", f"--threshold={EXPOSED}", str(unit)).returncode

    unit = units / "settlepipe@intake.service"
    assert exposed() == 0
    kept = [line for line in unit.read_text("utf-8").splitlines() if not line.startswith(("Protect", "SystemCall"))]
    unit.write_text("\n".join(kept), "utf-8")
    assert exposed() != 0
