"""The process `metrics`, and what a scrape costs when a server is in trouble: an answer, within ten seconds."""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql

from deploy.cli.main import main
from shared.messaging import broker
from shared.messaging.intake_stream import GROUP, Intake
from shared.metrics.families import FAMILIES, PREFIX
from tests.support import lone
from tests.support.intake_process import STREAM, put
from tests.support.patience import PATIENCE
from tests.support.stack import standing_still, wait_until

BOUND_S = 10.0
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = 'settlepipe metrics'"
Told = dict[tuple[str, ...], float]
# Of these there is a value in any store: the others need something to be there.
ALWAYS = set(FAMILIES) - {
    *("lane_rate_tokens", "payments_held", "discrepancies_open"),
    *("money_at_risk", "money_at_risk_oldest_seconds"),
    *("webhook_delivered", "webhook_oldest_seconds", "webhook_failing_seconds", "webhook_disabled"),
}


def parsed(text: str) -> Told:
    return {
        (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Exporter:
    """The process, and who scrapes it."""

    def __init__(self, process: lone.Lone) -> None:
        self.process = process
        (said,) = wait_until(lambda: process.said("metrics are served"), "it says where")
        self.port = int(said["port"])

    def get(self, path: str = "/metrics", method: str = "GET") -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text, answer.headers["Content-Type"]

    def scrape(self) -> Told:
        """Within the bound, whatever happens."""
        began = time.monotonic()
        status, text, _ = self.get()
        assert time.monotonic() - began < BOUND_S
        assert status == 200
        return parsed(text)


@contextlib.contextmanager
def exporter(folder: Path, database_url: str, broker_url: str, prefix: str = "") -> Iterator[Exporter]:
    given = {"METRICS_PORT": "0", "BROKER_KEY_PREFIX": prefix}
    with lone.running("scheduler.exporter", folder, database_url, broker_url, None, **given) as process:
        yield Exporter(process)


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[socket.socket] = []
        ended = threading.Event()

        def take() -> None:
            with contextlib.suppress(OSError):
                while not ended.is_set():
                    taken.append(listener.accept()[0])

        thread = threading.Thread(target=take)
        thread.start()
        yield int(listener.getsockname()[1])
        ended.set()
        with socket.create_connection(listener.getsockname()):
            thread.join()
        for one in taken:
            one.close()


def at_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))


@pytest.fixture
def client(broker_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(broker_url) as client:
        yield client


def test_a_scrape_tells_of_all_families_and_of_the_intake(
    tmp_path: Path, database_url: str, broker_url: str, client: "redis.Redis"
) -> None:
    client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    put(client, b"1", b"2", b"3")
    Intake(client, [STREAM], "somebody", 60, max_bytes=1).read(1, 1)
    with broker.connect(broker_url, prefix="other:") as other:  # of another installation
        put(other, b"4")
    with exporter(tmp_path, database_url, broker_url) as running:
        wait_until(lambda: ("events_pending",) in running.scrape(), "it has counted")
        found = running.scrape()
        assert {key[0] for key in found} == ALWAYS
        assert (found["up",], found["broker_up",]) == (1, 1)
        assert (found["intake_stream_entries", STREAM], found["intake_pending_entries", STREAM]) == (3, 1)
        assert {key[1] for key in found if key[0] == "lane_workers"} == {"ubill", "mtn"}, "those that are on"
        assert {key[1] for key in found if key[0] == "scheduled_job_late_seconds"} >= {"retention"}
        assert running.get("/")[0] == 404
        assert running.get(method="POST")[0] == 405
        assert running.get()[2].startswith("text/plain; version=")
        assert running.get(method="HEAD")[:2] == (200, "")


def test_under_a_prefix_of_keys_a_scrape_tells_of_the_installations_own_streams_by_their_names_without_it(
    tmp_path: Path, database_url: str, broker_url: str, client: "redis.Redis"
) -> None:
    put(client, b"1", b"2", b"3")  # another installation's
    with broker.connect(broker_url, prefix="north:") as own:
        put(own, b"4")
    with exporter(tmp_path, database_url, broker_url, "north:") as running:
        found = running.scrape()
        assert {key[1]: value for key, value in found.items() if key[0] == "intake_stream_entries"} == {STREAM: 1}
    assert client.exists(f"north:{STREAM}")


def test_without_postgresql_a_scrape_tells_what_the_broker_says_and_goes_on_when_it_is_back(
    tmp_path: Path, database_url: str, broker_url: str
) -> None:
    name = urlsplit(database_url).path[1:]
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    administration = psycopg.connect(urlunsplit(urlsplit(database_url)._replace(path="/postgres")), autocommit=True)
    with administration as administrator, exporter(tmp_path, database_url, broker_url) as running:
        assert running.scrape()["up",] == 1
        administrator.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        administrator.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        found = running.scrape()
        assert (found["up",], found["broker_up",], found["intake_stream_entries", STREAM]) == (0, 1, 0)
        assert not {key[0] for key in found} & {"store_held", "lane_failures"}
        administrator.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
        assert running.scrape()["up",] == 1
        assert running.process.alive


def test_a_statement_that_waits_for_a_lock_makes_no_scrape_hang(
    tmp_path: Path, database_url: str, broker_url: str
) -> None:
    with exporter(tmp_path, database_url, broker_url) as running, psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE store IN ACCESS EXCLUSIVE MODE")
        found = running.scrape()
        assert (found["up",], found["broker_up",]) == (0, 1)
        holder.rollback()
        wait_until(lambda: running.scrape()["up",] == 1, "it answers again")


def test_what_can_t_be_counted_ends_nothing_and_is_counted_when_it_can(
    tmp_path: Path, database_url: str, broker_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("ALTER TABLE quarantine RENAME TO another")  # as in the middle of an upgrade
        with exporter(tmp_path, database_url, broker_url) as running:
            wait_until(lambda: running.process.said("could not be counted"), "it is said")
            found = running.scrape()
            assert found["up",] == 1
            assert ("events_pending",) not in found
            owner.execute("ALTER TABLE another RENAME TO quarantine")
            wait_until(lambda: running.scrape().get(("quarantine_entries",)) == 0, "it is counted", 20)


def test_a_frozen_server_makes_no_scrape_hang_and_answers_when_it_wakes(
    tmp_path: Path, database_url: str, broker_url: str
) -> None:
    name = urlsplit(database_url).path[1:]
    with exporter(tmp_path, database_url, broker_url) as running, psycopg.connect(database_url) as other:
        assert running.scrape()["up",] == 1
        frozen = [row[0] for row in other.execute(SESSIONS, (name,)).fetchall()]
        assert len(frozen) > 0
        with standing_still(frozen):
            for _ in range(2):
                found = running.scrape()
                assert (found["up",], found["broker_up",]) == (0, 1)
        wait_until(lambda: running.scrape()["up",] == 1, "it answers again")


def test_servers_that_say_nothing_make_no_scrape_hang_and_are_not_asked_again_meanwhile(
    tmp_path: Path, database_url: str, broker_url: str
) -> None:
    with silent() as port:
        away = at_port(database_url, port), at_port(broker_url, port)
        with exporter(tmp_path, *away) as running:
            for _ in range(3):
                found = running.scrape()
                assert found == {("up",): 0, ("broker_up",): 0}
            threads = Path(f"/proc/{running.process.process.pid}/task")
            assert len(list(threads.iterdir())) < 20


def test_scrapes_take_turns_and_have_few_sessions(tmp_path: Path, database_url: str, broker_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    with exporter(tmp_path, database_url, broker_url) as running, psycopg.connect(database_url) as other:
        with ThreadPoolExecutor(12) as threads:
            found = list(threads.map(lambda _: running.get()[0], range(40)))
        assert set(found) <= {200, 503}
        assert 200 in found
        assert 1 <= len(other.execute(SESSIONS, (name,)).fetchall()) <= 2


def test_who_says_nothing_or_reads_nothing_keeps_no_scrape_for_long(
    tmp_path: Path, database_url: str, broker_url: str
) -> None:
    with exporter(tmp_path, database_url, broker_url) as running, contextlib.ExitStack() as stack:
        for said in (b"", b"GET /met", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
            for _ in range(3):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
                client.sendall(said)
        assert running.scrape()["up",] == 1


def test_a_port_that_is_taken_is_told(tmp_path: Path, database_url: str, broker_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with (
            pytest.raises(AssertionError, match=r"can't be listened on .*SETTLEPIPE_METRICS_PORT"),
            lone.running("scheduler.exporter", tmp_path, database_url, broker_url, METRICS_PORT=port),
        ):
            pass


def test_without_a_port_it_says_what_to_set(tmp_path: Path, database_url: str, broker_url: str) -> None:
    with (
        pytest.raises(AssertionError, match="SETTLEPIPE_METRICS_PORT is not set"),
        lone.running("scheduler.exporter", tmp_path, database_url, broker_url),
    ):
        pass


def test_the_command_prints_them_once_also_without_postgresql(
    database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", database_url)
    monkeypatch.setenv("SETTLEPIPE_BROKER_URL", broker_url)
    for name, value in lone.ON.items():
        monkeypatch.setenv(f"SETTLEPIPE_{name}", value)
    assert main(["metrics"]) == 0
    assert {key[0] for key in parsed(capsys.readouterr().out)} == ALWAYS
    monkeypatch.setenv("SETTLEPIPE_DATABASE_URL", at_port(database_url, 1))
    began = time.monotonic()
    assert main(["metrics"]) == 0
    assert time.monotonic() - began < BOUND_S * PATIENCE
    found = parsed(capsys.readouterr().out)
    assert (found["up",], found["broker_up",]) == (0, 1)
