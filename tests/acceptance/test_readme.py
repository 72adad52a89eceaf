"""Every command and every Python snippet of the README does what it says, on a running product.

What it has for redis-cli and Node.js is run by the real ones in tests/system.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.cli.reconcile import NEW_DISCREPANCIES
from tests.support import audit, intents
from tests.support.readme import BLOCKS, README, TIMEOUT_S, accepted, environment, snippet
from tests.support.stack import ROOT, Stack

OPERATING = next(block for language, block in BLOCKS if language == "sh" and "settlepipe up" in block)
COMMANDS = [line.partition(" #")[0].split() for line in OPERATING.splitlines()]
# Soon after midnight yesterday has what other tests paid on this stack, and had decided against the books.
_WORKED = {"reconcile": (0, NEW_DISCREPANCIES)}
_VARIES = re.compile(r" +\d+$| \(\d+ s\)$")


def _enqueue_from_python(up: Stack) -> None:
    subprocess.run([sys.executable, "-c", snippet("python")], env=environment(up), check=True, timeout=TIMEOUT_S)
    accepted(up, "ord-1001")


def test_an_upstream_enqueues_from_python(up: Stack) -> None:
    _enqueue_from_python(up)


@pytest.mark.parametrize("example", [block for language, block in BLOCKS if language == "json"])
def test_an_intent_of_the_readme_is_settled(up: Stack, example: str) -> None:
    up.submit([example.encode()])
    intent = json.loads(example)
    audit.wait_ended(up, intent["source"], [intent])
    (row,) = up.query("SELECT provider, state FROM payments WHERE intent_id = %s", intent["intent_id"])
    assert row == {"provider": intent["provider"], "state": "succeeded"}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[1] != "up"], ids=" ".join)
def test_a_command_of_the_readme_works(up: Stack, source: str, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "intents.jsonl").write_text(json.dumps(intents.settle(source, 1)) + "\n")
    _enqueue_from_python(up)
    if command[1] == "statement":  # it sums up days that were compared
        _typed(up, tmp_path, ["reconcile", *command[2:]])
    done = _typed(up, tmp_path, command[1:])
    assert done.returncode in _WORKED.get(command[1], (0,)), done.stderr


def _typed(up: Stack, folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", *arguments],
        env=environment(up),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.only_large
def test_the_demo_settles_everything_and_says_so() -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SETTLEPIPE_")}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", "demo"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Flower, as long as this runs: http://" in done.stderr
    # Everything but the time, and how many requests failed: that depends on how often each was sent.
    told = [_VARIES.sub("", line) for line in done.stdout.splitlines()]
    sample = [_VARIES.sub("", line) for line in snippet("text", "intents, each with its outcome").splitlines() if line]
    assert [line for line in sample if line not in told] == []


def test_every_make_target_of_the_readme_is_there() -> None:
    wanted = set(re.findall(r"(?:^|`)make (\w+)", README, re.MULTILINE))
    assert {"demo", "up", "test"} <= wanted
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    assert wanted <= set(re.findall(r"make (\w+)", helped.stdout))
