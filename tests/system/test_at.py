"""`make test AT=…` reaches every process: what they say the time is, is what it was set to."""

import subprocess
import sys

import pytest

from tests.support.stack import ROOT


def _at(at: str, zone: str, *command: str) -> "subprocess.CompletedProcess[str]":
    given = [sys.executable, "-m", "tests.at", at, zone, *command]
    return subprocess.run(given, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)


def test_a_set_clock_is_every_processs_clock() -> None:
    pytest_command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/system/at_another_time.py")
    done = _at("2028-02-29 23:50:00", "Europe/Berlin", *pytest_command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("at", ["tomorrow", "2026-02-29 12:00:00", "25:00"])
def test_what_is_no_time_is_said_in_a_sentence(at: str) -> None:
    done = _at(at, "UTC", "true")
    assert done.returncode == 1
    assert done.stderr == f"AT={at} is no time; write it in UTC as AT='2028-02-29 23:50:00'\n"
