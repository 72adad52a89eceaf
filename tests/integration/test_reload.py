"""A provider's key is changed while payments go out: nothing is refused, lost or doubled, and no lane stands still for
long. Other settings are named, and what can't be read changes nothing."""

import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from shared.messaging import broker
from shared.messaging.intake_entry import INTAKE_FIELD
from tests.support import by_itself, careful
from tests.support.by_itself import NEEDED, ByItself
from tests.support.sandbox import SandboxClient
from tests.support.stack import SHORT, STREAM, wait_until

pytestmark = pytest.mark.timeout(900)
OLD, NEW, NEWEST = "sandbox", "made-up-new-key", "made-up-newest-key"
COUNT, A_TIME, PAUSE_S = 120, 4, 0.1
ANEW = "the settings were read anew"


class Rotation:
    """A lane's worker and what feeds it; its key is in a file."""

    def __init__(self, folder: Path, url: str, broker_url: str, sandbox: SandboxClient) -> None:
        self.key = folder / "key"
        self.key.write_text(OLD + "\n")
        self.connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)
        self._broker_url, self._sandbox, self._put = broker_url, sandbox, 0
        self.settings = {
            **SHORT,
            **{name: value for name, value in NEEDED.items() if name != "METRICS_PORT"},
            "DATABASE_URL": url,
            "BROKER_URL": broker_url,
            "UBILL__BASE_URL": sandbox.ubill_url,
            "UBILL__API_KEY_FILE": str(self.key),
            "UBILL__SETTLE_WINDOW_S": "1.5",
            "UBILL__CONCURRENCY": "8",
        }

    def rows(self, statement: str) -> list[dict[str, Any]]:
        return self.connection.execute(statement.encode()).fetchall()

    def takes(self, *keys: str) -> None:
        """The provider's keys, from now on."""
        self._sandbox.call("POST", "ubill/options", {"keys": keys})

    @contextmanager
    def load(self) -> Iterator[None]:
        """COUNT payments, which come while the block runs, and all have succeeded at its end."""
        thread = threading.Thread(target=self._feed)
        thread.start()
        yield
        thread.join()
        wait_until(lambda: self.states() == {"succeeded": self._put}, "all succeed", 90)

    def _feed(self) -> None:
        pause = threading.Event()
        with broker.connect(self._broker_url) as client:
            for first in range(self._put + 1, self._put + COUNT + 1, A_TIME):
                for number in range(first, first + A_TIME):
                    client.xadd(STREAM, {INTAKE_FIELD: json.dumps(careful.ubill("reload", number)).encode()})
                pause.wait(PAUSE_S)
        self._put += COUNT

    def states(self) -> Mapping[str, int]:
        return {r["state"]: r["n"] for r in self.rows("SELECT state, count(*) AS n FROM payments GROUP BY state")}

    def succeeded_more(self) -> None:
        """Returns when another payment has succeeded."""
        before = self.states().get("succeeded", 0)
        wait_until(lambda: self.states().get("succeeded", 0) > before, "payments go out")

    def lane(self) -> dict[str, Any]:
        return self.rows("SELECT running, halted_at, stopped_for FROM lanes WHERE provider = 'ubill'")[0]


def reloaded(one: ByItself) -> None:
    """SIGHUP, and the word that it was heard."""
    before = one.log.read_text().count(ANEW)
    one.process.send_signal(signal.SIGHUP)
    wait_until(lambda: one.log.read_text().count(ANEW) > before, "it has read its settings anew")


@pytest.fixture
def rotation(database_url: str, broker_url: str, sandbox: SandboxClient, tmp_path: Path) -> Iterator[Rotation]:
    found = Rotation(tmp_path, database_url, broker_url, sandbox)
    yield found
    found.connection.close()


def test_a_key_is_changed_under_load(rotation: Rotation, sandbox: SandboxClient, tmp_path: Path) -> None:
    with (
        by_itself.forked("intake", tmp_path, **rotation.settings) as intake,
        by_itself.forked("dispatcher", tmp_path, **rotation.settings) as dispatcher,
        by_itself.forked("worker", tmp_path, "ubill", **rotation.settings) as worker,
    ):
        for one in (intake, dispatcher, worker):
            one.wait_up()
        pid = worker.process.pid

        with rotation.load():  # the provider takes both keys for a while
            rotation.succeeded_more()
            rotation.takes(OLD, NEW)
            rotation.key.write_text(NEW)
            reloaded(worker)
            rotation.takes(NEW)
        lane = rotation.lane()
        assert (lane["running"], lane["stopped_for"].total_seconds()) == (True, 0), "it never stood still"

        with rotation.load():  # the provider takes the new key alone, before we have it
            rotation.succeeded_more()
            rotation.takes(NEWEST)
            wait_until(lambda: rotation.lane()["halted_at"], "the old key is refused")
            rotation.key.write_text(NEWEST)
            reloaded(worker)
            wait_until(lambda: rotation.lane()["running"], "it goes on", 15)

        _other_settings(rotation, worker)
        for one in (intake, dispatcher):
            one.process.send_signal(signal.SIGHUP)
        for one in (intake, dispatcher, worker):
            assert one.wait("/readyz", 200)["ready"]
            assert one.stop() == 0
        assert worker.process.pid == pid

    rows = rotation.rows("SELECT intent_id, provider, state, sent_reference, target, '' AS amount FROM payments")
    settled = Counter(row["reference"] for row in sandbox.ledger() if row["operation"] == "settle")
    assert settled == Counter({row["sent_reference"]: 1 for row in rows})
    assert len(rows) == 2 * COUNT


def _other_settings(rotation: Rotation, worker: ByItself) -> None:
    """What can't be read changes nothing and is said; the file's content never is."""
    rotation.key.write_text("")
    worker.process.send_signal(signal.SIGHUP)
    said = "the settings could not be read anew"
    wait_until(lambda: said in worker.log.read_text(), "it says so")
    (line,) = (line for line in worker.log.read_text().splitlines() if said in line)
    assert "UBILL__API_KEY_FILE, has no value: the file is empty" in line
    rotation.key.write_text(NEWEST)
    text = worker.log.read_text()
    assert [key for key in (NEW, NEWEST) if key in text] == []


def test_the_jobs_children_hear_it_and_the_others_are_not_ended_by_it(rotation: Rotation, tmp_path: Path) -> None:
    settings = {**rotation.settings, "JOBS_TICK_S": "1"}
    with (
        by_itself.forked("jobs", tmp_path, **settings) as jobs,
        by_itself.forked("beat", tmp_path, **settings) as beat,
        by_itself.forked("relay", tmp_path, **rotation.settings) as relay,
    ):
        for one in (jobs, beat, relay):
            one.wait_up()
        wait_until(lambda: ANEW in jobs.log.read_text(), "a child has its runtime", 60)
        assert '"providers":["ubill"]' not in jobs.log.read_text()
        rotation.key.write_text(NEW)
        for one in (jobs, beat, relay):
            one.process.send_signal(signal.SIGHUP)
        wait_until(lambda: '"providers":["ubill"]' in jobs.log.read_text(), "the child has the new key")
        for one in (jobs, beat, relay):
            assert one.stop() == 0, one.log.read_text()
