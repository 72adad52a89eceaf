"""What intake, dispatcher and relay say on their own health ports of what they did."""

import urllib.request
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from shared.messaging import broker, intake_stream
from shared.messaging.events_stream import EVENTS
from tests.support import by_itself, lone
from tests.support.by_itself import ByItself
from tests.support.stack import STREAM, wait_until

Told = dict[tuple[str, ...], float]


def counted(process: ByItself) -> Told:
    """What it did; what it has not done yet is left out."""
    with urllib.request.urlopen(f"http://127.0.0.1:{process.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (
            sample.name.removeprefix("settlepipe_"),
            *(sample.labels[name] for name in sorted(sample.labels)),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.value
    }


def says(process: ByItself, wanted: Told) -> bool:
    return counted(process) == wanted


def test_each_counts_what_it_did_and_nothing_else(tmp_path: Path, database_url: str, broker_url: str) -> None:
    where = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, **by_itself.NEEDED, **by_itself.LANE}
    good = [lone.intent("mtn", f"m{number}") for number in range(3)]
    with ExitStack() as stack:
        intake, dispatcher, relay = (
            stack.enter_context(by_itself.running(name, tmp_path, **where))
            for name in ("intake", "dispatcher", "relay")
        )
        for process in (intake, dispatcher, relay):
            process.wait_up()
            assert counted(process) == {}
        with broker.connect(broker_url) as client:
            intake_stream.submit(client, STREAM, [*good, good[0], b"no intent"])
        entries: Told = {
            ("intake_entries_total", "accepted"): 3.0,
            ("intake_entries_total", "known_or_quarantined"): 2.0,
        }
        wait_until(partial(says, intake, entries), "the intake has counted")
        wait_until(partial(says, dispatcher, {("dispatched_total", "mtn", "send"): 3.0}), "so has the dispatcher")
        with broker.connect(broker_url) as client:
            # Each payment's `accepted`, and one for what went to quarantine. The repeat's may have been one of them.
            wait_until(lambda: client.xlen(EVENTS) >= 4, "all is told")
            wait_until(lambda: says(relay, {("events_written_total",): float(client.xlen(EVENTS))}), "and the relay")
