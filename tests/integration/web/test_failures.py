"""The door while its servers fail, and when it is killed on any line: what was answered is there, once."""

import contextlib
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from deploy.local.embedded import Servers, embedded_servers
from deploy.local.home import free_ports
from shared.database import migrate, store
from shared.database.engine import Database
from shared.settings import Settings
from tests.conftest import FAST_POSTGRES
from tests.integration.test_frozen_servers import frozen
from tests.support.by_itself import LANE, NEEDED, environment, forked
from tests.support.door import Client, door, intent, new_key, within
from tests.support.stack import ROOT

pytestmark = pytest.mark.timeout(900)

# Where it ends itself, as a machine's owner could at any moment: once an intent called `mark` is in hand.
_PREAMBLE = """
import os, psycopg
from shared.payments import admit
from worker.web import submitting, taking
def end(*_): os.kill(os.getpid(), 9)
def before(module, name):
    was = getattr(module, name)
    setattr(module, name, lambda *given: (end(), was(*given)))
def behind(module, name):
    was = getattr(module, name)
    setattr(module, name, lambda *given: (was(*given), end())[0])
def lost(module, name):
    was = getattr(module, name)
    def done(runtime, offers):
        answers = was(runtime, offers)
        if any(offer.intent.intent_id == "mark" for offer in offers):
            raise psycopg.OperationalError("the answer of the commit was lost")
        return answers
    setattr(module, name, done)
"""
_MAIN = "\nfrom worker.web.__main__ import main\nmain()\n"
# What is done at the place, and is it committed then?
KILLS = {
    "before anything is written": ("before(admit.store, 'insert')", False),
    "behind the insert": ("behind(admit.store, 'insert')", False),
    "before the commit": ("behind(admit.store, 'reemit')", False),
    "behind the commit": ("behind(taking, '_admitted')", True),
    "before the answer": ("before(submitting, '_json')", True),
}


@contextmanager
def patched(place: str, folder: Path, **settings: str) -> Iterator[int]:
    """A door's process with this done to it; its port."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-c", f"{_PREAMBLE}{place}{_MAIN}"],
        env=environment(folder / "home", **{**NEEDED, **LANE, "WEB__PORT": str(port), **settings}),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        within(60, lambda: _ready(port))
        yield port
    finally:
        process.kill()
        process.wait()


def _ready(port: int) -> bool:
    try:
        return Client(port).get("/readyz").status == 200
    except OSError:
        return False


def counted(database_url: str) -> tuple[int, int]:
    """How many payments there are, and how many times that they were accepted was told."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM payments), (SELECT count(*) FROM events WHERE type LIKE '%.accepted')"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_a_door_that_is_killed_on_any_line_loses_nothing_and_repeats_nothing(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    servers = {"DATABASE_URL": database_url, "BROKER_URL": broker_url}
    _, key = new_key(database_url, "shop")
    batch = [intent(f"k{number}") for number in range(3)]
    with door(database_url, broker_url, tmp_path) as other:
        for place, (patch, committed) in KILLS.items():
            with psycopg.connect(database_url) as connection:
                connection.execute("TRUNCATE payments, intent_keys, events CASCADE")
            ended = pytest.raises((ConnectionError, http.client.HTTPException))
            with patched(patch, tmp_path, **servers) as port, ended:
                Client(port, key).submit(*batch)
            assert counted(database_url)[0] == (3 if committed else 0), place
            again = Client(other.port, key).submit(*batch)
            assert [(one["status"], one["duplicate"]) for one in again.told["results"]] == [(202, committed)] * 3, place
            assert counted(database_url) == (3, 3), place


def test_a_commit_whose_answer_is_lost_is_a_503_and_the_same_again_is_a_duplicate(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    _, key = new_key(database_url, "shop")
    with patched("lost(taking, '_admitted')", tmp_path, DATABASE_URL=database_url, BROKER_URL=broker_url) as port:
        client = Client(port, key)
        answer = client.submit(intent("mark"), intent("more"))
        assert (answer.status, answer.told["code"]) == (503, "database_away")
        assert int(answer.headers["retry-after"]) >= 1
        assert counted(database_url) == (2, 2)
        again = client.submit(intent("more"))
        assert (again.status, again.told["duplicate"]) == (202, True)
    assert counted(database_url) == (2, 2)


def test_many_who_send_the_same_at_once_by_either_way_make_one_payment(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    _, key = new_key(database_url, "shop")
    place = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, **NEEDED, **LANE}
    with (
        door(database_url, broker_url, tmp_path) as one,
        door(database_url, broker_url, tmp_path) as two,
        forked("intake", tmp_path, **place) as intake,
        redis.Redis.from_url(broker_url) as broker,
        ThreadPoolExecutor(8) as pool,
    ):
        intake.wait_up()
        batch = [intent(f"s{number}") for number in range(50)]
        for given in batch:
            broker.xadd("settlepipe:intake", {"intent": json.dumps(given)})

        def send(turn: int) -> list[tuple[int, bool]]:
            given = batch if turn % 3 else batch[::-1]
            told = Client((one, two)[turn % 2].port, key).submit(*given).told["results"]
            return [(answer["status"], answer["duplicate"]) for answer in told]

        answers = [one for some in pool.map(send, range(8)) for one in some]
        within(30, lambda: broker.xlen("settlepipe:intake") == 0)
    assert {status for status, _ in answers} == {202}
    assert sum(not duplicate for _, duplicate in answers) <= 50
    assert counted(database_url) == (50, 50)


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[Servers]:
    tmp_path.chmod(0o700)
    home = tmp_path / "servers"
    with embedded_servers(home, Settings(home=home), FAST_POSTGRES) as servers:
        migrate.upgrade(servers.database_url)
        yield servers


def test_while_postgresql_stands_still_each_is_answered_in_time_and_afterwards_all_is_well(
    own_servers: Servers, tmp_path: Path
) -> None:
    _, key = new_key(own_servers.database_url, "shop")
    settings = {"WEB__ANSWER_S": "1", "WEB__THREADS": "2", "WEB__REQUESTS": "6"}
    with door(own_servers.database_url, own_servers.broker_url, tmp_path, **settings) as opened:
        client = Client(opened.port, key)
        assert client.submit(intent("f0")).status == 202
        with frozen(tmp_path / "servers" / "postgres"), ThreadPoolExecutor(12) as pool:
            began = time.monotonic()
            answers = list(pool.map(lambda number: client.submit(intent(f"f{number}")), range(1, 25)))
            assert time.monotonic() - began < 30
            assert {answer.status for answer in answers} == {503}
            assert {answer.told["code"] for answer in answers} <= {"database_away", "busy"}
            assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
            assert client.get("/livez").status == 200
            opened.one.wait("/readyz", 503)
        within(30, lambda: client.submit(intent("f0")).status == 202)
        opened.one.wait("/readyz", 200)
        told = [client.submit(intent(f"f{number}")).status for number in range(25)]
        assert set(told) == {202}
    assert counted(own_servers.database_url) == (25, 25)


def test_while_the_broker_stands_still_intents_are_taken(own_servers: Servers, tmp_path: Path) -> None:
    _, key = new_key(own_servers.database_url, "shop")
    with door(own_servers.database_url, own_servers.broker_url, tmp_path) as opened:
        with frozen(tmp_path / "servers" / "valkey"):
            began = time.monotonic()
            assert [Client(opened.port, key).submit(intent(f"b{number}")).status for number in range(5)] == [202] * 5
            assert time.monotonic() - began < 10
        assert opened.one.stop() == 0


def test_a_held_store_takes_nothing_and_says_so(database_url: str, broker_url: str, tmp_path: Path) -> None:
    _, key = new_key(database_url, "shop")
    with door(database_url, broker_url, tmp_path) as opened:
        client = Client(opened.port, key)
        assert client.submit(intent("h1")).status == 202
        database = Database(database_url, pool_size=1)
        with database.transaction() as connection:
            assert store.hold(connection, "it lost time, in this test")
        database.dispose()
        for answer in (
            client.submit(intent("h2")),
            client.submit(intent("h2"), intent("h3")),
            client.post("/v1/payments/shop/h1/cancel", {"reason": "not wanted"}),
        ):
            assert (answer.status, answer.told["code"]) == (503, "store_held")
            assert "settlepipe recover" in answer.told["detail"]
            assert int(answer.headers["retry-after"]) >= 10
        assert client.get("/v1/payments/shop/h1").told["state"] == "accepted", "to look is allowed"
    assert counted(database_url) == (1, 1)


def test_a_door_that_cannot_run_says_why(database_url: str, broker_url: str, tmp_path: Path) -> None:
    given = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, **NEEDED}
    (tmp_path / "cert.pem").write_text("no certificate")
    with door(database_url, broker_url, tmp_path) as opened:
        for changed, words in (
            ({"WEB__PORT": str(opened.port)}, "SETTLEPIPE_WEB__PORT"),
            ({"WEB__ADDRESS": "192.0.2.1"}, "can't be listened on"),
            (
                {"WEB__CERT_FILE": str(tmp_path / "cert.pem"), "WEB__KEY_FILE": str(tmp_path / "cert.pem")},
                "can't be used as a certificate",
            ),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "worker.web"],
                env=environment(tmp_path / "home", **{**given, **changed}),
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert (done.returncode, words in done.stderr) == (2, True), done.stderr


def test_who_does_not_read_its_answer_is_ended_and_keeps_nothing(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    _, key = new_key(database_url, "shop")
    patch = "from worker.web import server\nserver.HEAD_S = server.TAKEN_S = 1.0\n"
    with patched(patch, tmp_path, DATABASE_URL=database_url, BROKER_URL=broker_url) as port:
        client = Client(port, key)
        for turn in range(2):
            large = [intent(f"l{turn}-{number}", metadata={"note": "x" * 50_000}) for number in range(150)]
            assert client.submit(*large).status == 207
        with socket.socket() as lazy:
            lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            lazy.settimeout(60)
            lazy.connect(("127.0.0.1", port))
            asked = f"GET /v1/payments?limit=200 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
            lazy.sendall(asked.encode() * 2)
            found = lazy.recv(2000)
            length = int(found.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            assert length > 8_000_000
            time.sleep(8)  # it is not read for so long: much longer than it may take
            rest = len(found)
            with contextlib.suppress(ConnectionError):
                while part := lazy.recv(1 << 20):
                    rest += len(part)
            assert rest < length
        assert len(client.get("/v1/payments?limit=1").told["payments"]) == 1


def test_trailers_and_pipelines_without_end_cost_no_memory(database_url: str, broker_url: str, tmp_path: Path) -> None:
    """Neither needs a key."""
    with door(database_url, broker_url, tmp_path) as opened:
        status = Path(f"/proc/{opened.one.process.pid}/status")

        def resident_kib() -> int:
            line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            return int(line.split()[1])

        before = resident_kib()
        with socket.create_connection(("127.0.0.1", opened.port), timeout=20) as lazy:
            lazy.sendall(b"POST /v1/intents HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
            with contextlib.suppress(OSError):
                for _ in range(500):
                    lazy.sendall(b"a: b\r\n" * 10_000)
        for _ in range(4):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", opened.port), timeout=20) as eager,
            ):
                eager.sendall(b"GET /x HTTP/1.1\r\n\r\n" * 14_000)
                while eager.recv(1 << 16):
                    pass
        assert resident_kib() - before < 64 * 1024
        assert Client(opened.port, "").get("/livez").status == 200


def test_who_closes_and_does_not_read_is_ended(database_url: str, broker_url: str, tmp_path: Path) -> None:
    patch = "from worker.web import server\nserver.TAKEN_S = 1.0\n"
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n"
    with (
        patched(patch, tmp_path, DATABASE_URL=database_url, BROKER_URL=broker_url) as port,
        contextlib.ExitStack() as all_,
    ):
        lazy = []
        for count in range(1, 16):
            one = all_.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            one.connect(("127.0.0.1", port))
            one.sendall((asked + b"\r\n") * count + asked + b"Connection: close\r\n\r\n")
            lazy.append(one.getsockname()[1])

        def kept() -> list[int]:
            """Those that the process still has."""
            rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            return [p for row in rows if row[1].endswith(f":{port:04X}") and (p := int(row[2][-4:], 16)) in lazy
                    and row[3] == "01"]  # fmt: skip

        within(30, lambda: not kept())
