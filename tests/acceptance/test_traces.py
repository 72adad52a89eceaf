"""A payment's trace through the whole product, as a collector of OpenTelemetry's gets it."""

import json
from pathlib import Path

import pytest

from shared.messaging.intake_entry import INTAKE_FIELD
from shared.telemetry import traces
from tests.support import careful, stack
from tests.support.collector import Collector, collector
from tests.support.intents import settle
from tests.support.stack import STREAM, wait_until

TRACE, UPSTREAM = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.only_large
def test_a_payment_has_one_trace_from_its_upstream_to_its_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as told:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", told.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        up = stack.start(tmp_path / "home", workers=1, UBILL__SETTLE_WINDOW_S="0.5", CHECK__LADDER_S="[0, 0.3, 1, 1]")
        try:
            fault = {"provider": "ubill", "operation": "settle", "fault": "error_500_after", "rate": 1.0, "count": 1}
            up.sandbox.set_faults(fault)
            given, own = careful.ubill("traced", 1, 4711), settle("traced", 2)
            with up.broker() as client:
                entry = {INTAKE_FIELD: json.dumps(given).encode(), b"traceparent": f"00-{TRACE}-{UPSTREAM}-01".encode()}
                client.xadd(STREAM, entry)
            up.submit([own])
            wait_until(lambda: _succeeded(up) == 2, "both are paid", 60)
            (row,) = up.query("SELECT sent_reference FROM payments WHERE provider = 'billcenter'")
            other = traces.trace_id(row["sent_reference"], None)
            wait_until(lambda: (_events(told, TRACE), _events(told, other)) == (3, 2), "their last events are told", 30)
        finally:
            assert up.stop() == 0
    spans = told.of(TRACE)
    names = [span.name for span in spans]
    assert names[0] == "accept"
    assert {name: names.count(name) for name in set(names)} == {
        "accept": 1,
        "send": 1,
        "call": 1,
        "check": names.count("check"),
        "event": 3,  # accepted, unknown, succeeded
    }
    assert names.count("check") >= 1
    first = spans[0]
    assert (first.process, first.above) == ("intake", UPSTREAM)
    assert {span.above for span in spans if span.name not in ("accept", "call")} == {first.id}
    send, call = next(one for one in spans if one.name == "send"), next(one for one in spans if one.name == "call")
    assert (send.process, send.failed) == ("worker", True)
    assert send.attributes["settlepipe.state"] == "unknown"
    assert send.attributes["settlepipe.http_status"] == 500
    assert call.above == send.id
    assert send.at[0] <= call.at[0] <= call.at[1] <= send.at[1]
    checks = [one.attributes["settlepipe.verdict"] for one in spans if one.name == "check"]
    assert checks[-1] == "applied"
    assert {span.trace for span in told.spans} == {TRACE, other}
    assert {span.name for span in told.of(other)} == {"accept", "send", "call", "event"}
    assert told.of(other)[0].above == ""
    logged = (up.home / "logs" / "worker-ubill-1.log").read_text()
    assert f'"trace_id":"{TRACE}"' in logged, "the logs say which trace"
    assert "4712" not in repr([span.attributes for span in told.spans]), "no account stands in a span"


def _events(told: Collector, trace: str) -> int:
    return [span.name for span in told.of(trace)].count("event")


def _succeeded(up: stack.Stack) -> int:
    rows = up.query("SELECT count(*) AS n FROM payments WHERE state = 'succeeded'")
    return int(rows[0]["n"])
