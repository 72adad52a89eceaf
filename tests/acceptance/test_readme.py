"""Every command and every snippet of the README does what it says, on a running product."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import audit, intents
from tests.support.stack import ROOT, Stack, wait_until

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
OPERATING = next(block for language, block in BLOCKS if language == "sh" and "settlepipe up" in block)
COMMANDS = [line.partition(" #")[0].split() for line in OPERATING.splitlines()]
TIMEOUT_S = 60
_VARIES = re.compile(r" +\d+$| \(\d+ s\)$")


def _snippet(language: str, holding: str = "") -> str:
    (found,) = [block for lang, block in BLOCKS if lang == language and holding in block]
    return found


def _accepted(up: Stack, intent_id: str) -> None:
    rows = wait_until(lambda: up.query("SELECT state FROM payments WHERE intent_id = %s", intent_id), intent_id)
    assert len(rows) == 1


def _environment(up: Stack) -> dict[str, str]:
    return {**os.environ, **up.environment, "BROKER_URL": up.told["broker_url"]}


def _enqueue_from_python(up: Stack) -> None:
    subprocess.run([sys.executable, "-c", _snippet("python")], env=_environment(up), check=True, timeout=TIMEOUT_S)
    _accepted(up, "ord-1001")


def test_an_upstream_enqueues_from_python(up: Stack) -> None:
    _enqueue_from_python(up)


def test_an_upstream_enqueues_from_redis_cli(up: Stack, tmp_path: Path) -> None:
    """The wheels bring no client, so one that takes the same arguments stands in for redis-cli."""
    client = tmp_path / "redis-cli"
    client.write_text(
        f"#!{sys.executable}\nimport redis, sys\n"
        "assert sys.argv[1] == '-u'\nprint(redis.from_url(sys.argv[2]).execute_command(*sys.argv[3:]))\n"
    )
    client.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    command = _snippet("sh", "XADD")
    subprocess.run(["bash", "-c", command], env={**_environment(up), "PATH": path}, check=True, timeout=TIMEOUT_S)
    _accepted(up, "ord-1002")


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js on this machine")
def test_an_upstream_enqueues_from_node(up: Stack) -> None:
    subprocess.run(["node", "-e", _snippet("js")], env=_environment(up), check=True, timeout=TIMEOUT_S)
    _accepted(up, "ord-1003")


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
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", *command[1:]],
        env=_environment(up),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(170)
def test_the_demo_settles_everything_and_says_so() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SETTLEPIPE_")}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli.main", "demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Flower, as long as this runs: http://" in done.stderr
    # Everything but the time, and how many requests failed: that depends on how often each was sent.
    told = [_VARIES.sub("", line) for line in done.stdout.splitlines()]
    sample = [_VARIES.sub("", line) for line in _snippet("text", "intents, each with its outcome").splitlines() if line]
    assert [line for line in sample if line not in told] == []


def test_every_make_target_of_the_readme_is_there() -> None:
    wanted = set(re.findall(r"(?:^|`)make (\w+)", README, re.MULTILINE))
    assert {"demo", "up", "test"} <= wanted
    helped = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    assert wanted <= set(re.findall(r"make (\w+)", helped.stdout))
