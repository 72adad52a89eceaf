"""Ctrl-C, a second start, and starting again."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from deploy.local.home import free_ports
from tests.support import audit, intents, stack
from tests.support.stack import UP, wait_until

DONE, OPEN = 10, 20
CALLBACK_KEY, NUMBER = "made-up-callback-key", "995500000001"


@pytest.mark.only_large
def test_ctrl_c_leaves_no_process_and_the_next_up_goes_on_with_what_was_accepted(tmp_path: Path, source: str) -> None:
    home = tmp_path / "home"
    port, metrics_port = free_ports(2)
    more = {"UBILL__CALLBACK_KEY": CALLBACK_KEY, "UBILL__CALLBACK_PORT": str(port), "METRICS_PORT": str(metrics_port)}
    first = stack.start(home, workers=1, **more)
    try:
        done = [intents.settle(source, number) for number in range(1, DONE + 1)]
        first.submit(done)
        audit.wait_ended(first, source, done)
        ended = audit.check_all(first, source, done)
        assert audit.states(ended) == {"succeeded": DONE}
        _tells_deliveries(first, source, port)
        _second_up_is_refused(first)

        first.sandbox.set_faults({"operation": "settle", "fault": "error_500_before"})
        waiting = [intents.settle(source, number) for number in range(DONE + 1, DONE + OPEN + 1)]
        first.submit(waiting)
        wait_until(lambda: _tried(first, source) == DONE + OPEN, "each was tried", 20)
        sent = {row["intent_id"]: (row["reference"], row["sha256"]) for row in audit.payments(first, source).values()}
        _tells_metrics(metrics_port, waiting)
        told, pids = first.told, set(stack.descendants(first.process.pid))
        assert len(pids) > len(told["processes"])
    finally:
        status = first.stop(signal.SIGINT)
    assert status == 0
    assert first.left() == {}, "the receiver of callbacks and the exporter included"
    assert not [pid for pid in pids if stack.is_alive(pid)]
    assert not (home / "stack.json").exists()

    second = stack.start(home, workers=1)  # its sandbox is a new one: it knows nothing and fails nothing
    try:
        addresses = ("database_url", "broker_url", "flower_url", "sandbox_url", "web_url")
        assert {name: second.told[name] for name in addresses} == {name: told[name] for name in addresses}
        audit.wait_ended(second, source, waiting)
        found = audit.payments(second, source)
        assert audit.states(found) == {"succeeded": DONE + OPEN}
        assert {row["intent_id"]: (row["reference"], row["sha256"]) for row in found.values()} == sent
        assert {i: found[i] for i in ended} == ended, "what had ended is as it was"
        applied = [row["reference"] for row in second.sandbox.ledger()]
        assert sorted(applied) == sorted(found[intent["intent_id"]]["reference"] for intent in waiting)
        audit.check_bytes(second, source)
        audit.check_events(second, source)
    finally:
        status = second.stop(signal.SIGINT)
    assert status == 0
    assert second.left() == {}


def _tells_metrics(port: int, waiting: list[dict[str, Any]]) -> None:
    """The exporter sees the worker that sent them, the relay, and what is not final."""

    def value(name: str) -> float:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            lines = dict(line.rpartition(" ")[::2] for line in answer.read().decode().splitlines() if line[0] != "#")
        return float(lines.get(f"settlepipe_{name}", "nan"))

    assert value('lane_workers{provider="billcenter"}') == 1
    assert value("relay_active") == 1
    states = [f'payments{{provider="billcenter",state="{state}"}}' for state in ("waiting", "dispatched", "sending")]
    wait_until(lambda: sum(map(value, states)) == len(waiting), "it has counted them", 30)


def _tells_deliveries(up: stack.Stack, source: str, port: int) -> None:
    """A text message follows a success, and what ubill calls back is told."""
    assert "sms-callback" in up.told["processes"]
    url = f"http://127.0.0.1:{port}/callback"
    up.sandbox.call("POST", "ubill/options", {"callback_url": url, "callback_key": CALLBACK_KEY})
    intent = intents.settle(f"{source}-sms", 1) | {"notify": {"sms": NUMBER}}
    up.submit([intent])
    sms_id = wait_until(lambda: _follow_up(up, "reference"), "the message is sent", 20)
    up.sandbox.call("POST", "ubill/deliver", {"smsID": int(sms_id), "number": NUMBER, "statusID": 1})
    wait_until(lambda: _follow_up(up, "delivery") == "delivered", "its delivery is told", 20)
    wait_until(lambda: up.sandbox.call("POST", "ubill/callbacks", {})["done"], "the callback was answered", 5)
    [called] = up.sandbox.call("POST", "ubill/callbacks", {})["done"]
    assert (called["status"], called["answer"]) == (200, "OK")


def _follow_up(up: stack.Stack, column: str) -> Any:
    rows = up.query(f"SELECT {column} AS value FROM follow_ups WHERE kind = 'sms'")
    return rows[0]["value"] if rows else None


def _tried(up: stack.Stack, source: str) -> int:
    return sum(row["attempts"] > 0 for row in audit.payments(up, source).values())


def _second_up_is_refused(up: stack.Stack) -> None:
    before = up.told
    second = subprocess.run(
        [sys.executable, "-c", UP, "1", "own"],
        env=dict(up.environment),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert second.returncode == 1
    assert second.stdout == ""
    assert "already" in second.stderr
    assert "Traceback" not in second.stderr
    assert up.process.poll() is None
    assert up.told == before
