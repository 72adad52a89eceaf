"""What a developer of an upstream has: outcomes on purpose, and events on their own machine."""

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.support.receiver import receiving, waited
from tests.support.stack import Stack

ENDS = {
    "succeeded": ["accepted", "succeeded"],
    "refused": ["accepted", "refused"],
    "unknown": ["accepted", "unknown", "succeeded"],
    "late": ["accepted", "unknown", "succeeded"],
    "parked": ["accepted", "unknown", "parked"],
    "quarantined": ["quarantined"],
}


def faults(up: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = up.sandbox.call("GET", "faults")["faults"]
    return found


def started(up: Stack, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "deploy.cli.main", *words]
    return subprocess.Popen(
        command,
        env=up.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As in a terminal: a shell has what it starts in the background ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one C call
    )


@pytest.mark.parametrize("outcome", ENDS)
def test_each_outcome_is_brought_about_and_its_fault_taken_away(up: Stack, source: str, outcome: str) -> None:
    other = up.sandbox.call("POST", "faults", {"provider": "bmms", "fault": "error_503"})
    done = up.command("trigger", outcome, "--source", source, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["type"].rpartition(".")[2] for event in events] == ENDS[outcome]
    assert {event["subject"].partition("/")[0] for event in events} == {source}
    assert [fault["id"] for fault in faults(up)] == [other["id"]], "its own alone"


def test_a_fault_that_has_not_struck_is_taken_away_with_ctrl_c_too(up: Stack, source: str) -> None:
    with up.frozen("intake"):
        running = started(up, "trigger", "refused", "--source", source)
        waited(lambda: faults(up))
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert (running.returncode, "Traceback" in err) == (130, False)
    assert faults(up) == []


def test_events_come_signed_to_a_developers_machine(up: Stack, source: str) -> None:
    with receiving() as receiver:
        running = started(up, "listen", "--forward-to", receiver.url, "--source", source, "--count", "4", "--json")
        assert running.stdout is not None
        try:
            receiver.secrets.append(json.loads(running.stdout.readline())["secret"])
            assert up.command("trigger", "succeeded", "--source", f"{source}.other").returncode == 0
            assert up.command("trigger", "succeeded", "--source", source).returncode == 0
            receiver.wait(2)
            receiver.answer = lambda _: (500, {})
            assert up.command("trigger", "refused", "--source", source).returncode == 0
            out, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert (running.returncode, err) == (0, "")
    told = [json.loads(line) for line in out.splitlines()]
    assert [one["said"] for one in told] == ["it answered 204"] * 2 + ["it answered 500"] * 2
    assert [one["id"] for one in told] == [got.event_id for got in receiver.got]
    assert receiver.refused == 0


def test_who_listens_to_nothing_that_can_be_listened_to_is_told(up: Stack) -> None:
    for words in (("--forward-to", "ftp://127.0.0.1/"), ("--forward-to", "http://127.0.0.1:1/", "--secret", "whsec_")):
        done = up.command("listen", *words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
