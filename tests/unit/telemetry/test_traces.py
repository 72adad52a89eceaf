"""Spans of payments: in one trace, whichever process tells them; and nothing where nobody asked."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from shared import process
from shared.telemetry import otel, traces
from shared.telemetry.traces import Call, Span, Traced
from tests.support.collector import Collector, collector
from tests.support.stack import wait_until

TRACE, UPSTREAM = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = Traced(7, "ubill", "settle", "a1b2c3", f"00-{TRACE}-{UPSTREAM}-01")
OWN = Traced(8, "mtn", "refund", "d4e5f6", None)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        yield found


def _arrived(found: Collector, count: int) -> None:
    wait_until(lambda: len(found.spans) >= count, "the spans arrive", 20)
    assert len(found.spans) == count


def test_a_payments_steps_stand_in_the_trace_that_came_with_it(told: Collector) -> None:
    intake, worker = otel.teller("intake"), otel.teller("worker")
    worker(Span(GIVEN, "send", 1000.5, 1001.0, {"attempt": 1, "http_status": None}, (Call(1000.6, 0.25),), failed=True))
    intake(Span(GIVEN, "accept", 1000.0, 1000.25))
    _arrived(told, 3)
    accept, send, call = told.of(TRACE)
    assert [(one.name, one.process) for one in (accept, send, call)] == [
        ("accept", "intake"),
        ("send", "worker"),
        ("call", "worker"),
    ]
    assert accept.above == UPSTREAM
    assert send.above == accept.id == traces.span_id("a1b2c3")
    assert call.above == send.id
    assert send.at == (1_000_500_000_000, 1_001_000_000_000)
    assert call.at == (1_000_600_000_000, 1_000_850_000_000)
    assert (accept.failed, send.failed) == (False, True)
    assert send.attributes == {
        "settlepipe.payment_id": 7,
        "settlepipe.provider": "ubill",
        "settlepipe.operation": "settle",
        "settlepipe.attempt": 1,
    }
    assert "a1b2c3" not in repr(told.spans), "a reference is the provider's and ours"


def test_a_payment_without_one_has_a_trace_that_every_process_names_the_same(told: Collector) -> None:
    otel.teller("worker")(Span(OWN, "send", 2000.0, 2001.0))
    otel.teller("intake")(Span(OWN, "accept", 1999.0, 1999.5))
    _arrived(told, 2)
    accept, send = told.of(traces.trace_id("d4e5f6", None))
    assert (accept.name, accept.above) == ("accept", "")
    assert (send.name, send.above) == ("send", accept.id)


def test_what_upstream_does_not_keep_is_not_told(told: Collector) -> None:
    tell = otel.teller("worker")
    for name in ("accept", "send"):
        tell(Span(Traced(7, "ubill", "settle", "a1b2c3", f"00-{TRACE}-{UPSTREAM}-00"), name, 1.0, 2.0))
    tell(Span(OWN, "send", 1.0, 2.0))
    _arrived(told, 1)


@pytest.mark.parametrize("ratio", ["0", "1"])
def test_the_sampler_decides_for_the_whole_of_a_trace(
    told: Collector, monkeypatch: pytest.MonkeyPatch, ratio: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", ratio)
    for one, name in (("intake", "accept"), ("worker", "send"), ("relay", "event")):
        otel.teller(one)(Span(OWN, name, 1.0, 2.0))
    monkeypatch.delenv("OTEL_TRACES_SAMPLER")
    otel.teller("worker")(Span(GIVEN, "send", 1.0, 2.0))
    _arrived(told, 1 + 3 * int(ratio))


def _alone(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_nobody_asks_and_nothing_is_even_imported() -> None:
    code = """
import sys
from shared import process
from shared.telemetry import traces
process.traced("worker")
print(traces.on(), "opentelemetry.sdk.trace" in sys.modules or "shared.telemetry.otel" in sys.modules)
"""
    assert _alone(code).stdout == "False False\n"
    off = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}
    assert _alone(code, **off).stdout == "False False\n"


def test_asked_for_and_not_installed_is_a_sentence() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
from shared import process
process.traced("worker")
"""
    done = _alone(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == process.WRONG_SETTINGS
    assert "pip install 'settlepipe[traces]'" in done.stderr + done.stdout


def test_a_collector_that_hangs_holds_up_no_process_that_ends() -> None:
    code = """
import socket, time
from shared import process
from shared.telemetry import traces
from shared.telemetry.traces import Span, Traced
deaf = socket.create_server(("127.0.0.1", 0))
import os
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{deaf.getsockname()[1]}"
process.traced("worker")
begun = time.monotonic()
for number in range(10_000):
    traces.tell(Span(Traced(number, "ubill", "settle", str(number), None), "send", 1.0, 2.0))
print(time.monotonic() - begun < 30)
"""
    done = _alone(code)
    assert done.stdout == "True\n", done.stderr
    assert done.returncode == 0
