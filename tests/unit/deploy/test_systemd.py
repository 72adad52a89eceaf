"""systemd's units fit what the processes are: their names, the time they take to stop, their exit statuses."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from deploy.cli.run import Process, named
from deploy.docs import ROOT
from deploy.local import processes
from shared.process import WRONG_SCHEMA, WRONG_SETTINGS
from shared.settings import Settings

FOLDER = ROOT / "deploy" / "systemd"


def lines(unit: Path) -> dict[str, list[str]]:
    """A unit's settings, each with its values in their order."""
    found = defaultdict(list)
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text("utf-8"), re.MULTILINE):
        found[name].append(value)
    return found


UNIT = lines(FOLDER / "settlepipe@.service")


def test_it_waits_for_the_end_as_long_as_a_process_may_take_and_not_much_longer() -> None:
    (given,) = UNIT["TimeoutStopSec"]
    takes_s = max(processes.SINGLE_GRACE_S, Settings().http.total_timeout_s + processes.WORKER_MARGIN_S)
    assert takes_s <= float(given) <= takes_s + 10


def test_it_does_not_start_again_what_starting_again_does_not_help() -> None:
    assert UNIT["RestartPreventExitStatus"] == [f"{WRONG_SETTINGS} {WRONG_SCHEMA}"]
    assert UNIT["Restart"] == ["always"]


@pytest.mark.parametrize("name", [*Process, "worker-ubill-2"])
def test_an_instance_is_a_word_that_run_takes(name: str) -> None:
    (started,) = UNIT["ExecStart"]
    program, *words = started.replace("%i", name).split()
    assert (Path(program).name, words) == ("settlepipe", ["run", name])
    assert named(words[1]).process.value in name


def test_what_a_process_keeps_is_in_a_folder_that_it_may_write() -> None:
    assert UNIT["ProtectSystem"] == ["strict"]
    assert f"SETTLEPIPE_HOME=/var/lib/{UNIT['StateDirectory'][0]}" in UNIT["Environment"]


def test_the_target_reaches_each_process() -> None:
    assert (UNIT["PartOf"], UNIT["WantedBy"]) == (["settlepipe.target"], ["settlepipe.target"])
    assert (FOLDER / "settlepipe.target").exists()
