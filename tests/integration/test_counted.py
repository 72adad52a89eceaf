"""What intake, dispatcher, relay, jobs and beat say on their own health ports of what they did."""

import urllib.request
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psycopg
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
            stack.enter_context(by_itself.forked(name, tmp_path, **where)) for name in ("intake", "dispatcher", "relay")
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


def test_jobs_and_beat_count_runs_and_ticks(tmp_path: Path, database_url: str, broker_url: str) -> None:
    """Jobs are done in children of the process that is asked."""
    where = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, **by_itself.NEEDED, "JOBS_TICK_S": "1"}
    with by_itself.forked("jobs", tmp_path, **where) as jobs, by_itself.forked("beat", tmp_path, **where) as beat:
        for process in (jobs, beat):
            process.wait_up()
        wait_until(lambda: counted(beat).get(("beat_ticks_total", "sent"), 0) >= 2, "beat has counted")
        told = counted(beat)
        assert told["beat_late_seconds_count",] == told["beat_ticks_total", "sent"]
        assert {key[0].partition("_")[0] for key in told} == {"beat"}
        wait_until(lambda: ran(database_url) and runs(jobs) == ran(database_url), "jobs has counted each run")
        name = next(iter(ran(database_url)))
        assert counted(jobs)["job_seconds_count", name] == 1.0
        assert {key[0].partition("_")[0] for key in counted(jobs)} == {"job"}


def runs(process: ByItself) -> dict[str, float]:
    return {key[1]: value for key, value in counted(process).items() if key[0] == "job_runs_total" and key[2] == "done"}


def ran(database_url: str) -> dict[str, float]:
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT job, count(*) FROM job_runs WHERE state = 'done' GROUP BY job").fetchall()
    return {job: float(count) for job, count in rows}
