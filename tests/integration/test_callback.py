"""The receiver of delivery callbacks, over real HTTP and TLS, with a real database and as a real process."""

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest
from psycopg.rows import tuple_row

from shared.database.engine import Connection, Database
from shared.follow_ups import delivery
from shared.settings import SettingsError
from shared.settings.sections import UbillSettings
from tests.support.certificate import self_signed
from tests.support.door import door
from worker.callback import THREADS, application
from worker.web import server as server_module
from worker.web.callback import Callback, Keep, Report
from worker.web.limits import Work
from worker.web.listening import Listening, Place

KEY = "made-up-key-ключ-0123"
NUMBER = "995500000001"
FIELDS = {"key": KEY, "smsID": "71", "number": NUMBER, "statusID": "1", "date": "2027-01-31 12:02:02"}
CONNECTIONS = 200


class Receiver:
    """A running server. get: status and body of `GET /callback` with these fields."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.port, self._tls = port, tls

    def get(self, **changes: str | None) -> tuple[int, bytes]:
        fields = {name: value for name, value in (FIELDS | changes).items() if value is not None}
        return self.ask("GET", "/callback?" + urlencode(fields))

    def ask(self, method: str, target: str) -> tuple[int, bytes]:
        if self._tls:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=5, context=self._tls
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request(method, target)
            answer = connection.getresponse()
            return answer.status, answer.read()


@contextmanager
def receiving(keep: Keep, tls: ssl.SSLContext | None = None, **settings: object) -> Iterator[Receiver]:
    given = UbillSettings.model_validate({"callback_key": KEY, "callback_port": 0, **settings})
    callback = Callback.kept_by(given, Work(THREADS, 64, 10), keep)
    listening = Listening(Place.of_callback(given), CONNECTIONS, application(callback))
    listening.begin()
    try:
        yield Receiver(listening.port, tls)
    finally:
        listening.end()


def never(_: Report) -> None:
    raise AssertionError("nothing may be stored")


@pytest.fixture
def receiver(database_url: str) -> Iterator[Receiver]:
    pool = Database(database_url, pool_size=2)

    def keep(report: Report) -> None:
        delivery.report(pool, report.sms_id, report.number, report.status, report.at)

    with receiving(keep) as running:
        yield running
    pool.dispose()


def stored(connection: Connection) -> list[tuple[object, ...]]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SELECT sms_id, number, status, reported_at FROM sms_reports ORDER BY 1, 2")
        return cursor.fetchall()


def test_a_report_is_stored_once_in_utc_and_answered_ok(receiver: Receiver, connection: Connection) -> None:
    assert receiver.get() == (200, b"OK")
    assert receiver.get() == (200, b"OK")
    assert stored(connection) == [("71", NUMBER, 1, datetime(2027, 1, 31, 8, 2, 2, tzinfo=UTC))]


def test_an_older_report_that_comes_later_changes_nothing(receiver: Receiver, connection: Connection) -> None:
    receiver.get(statusID="3")
    assert receiver.get(statusID="0", date="2027-01-31 12:02:01") == (200, b"OK")
    assert [row[2] for row in stored(connection)] == [3]
    receiver.get(statusID="2", date="2027-01-31 12:03:00")
    assert receiver.get(statusID="3", date="2027-01-31 12:04:00") == (200, b"OK")
    assert [row[2] for row in stored(connection)] == [2]


@pytest.mark.parametrize("key", [None, "", "made-up-key-ключ-0124", KEY + "x", KEY[:-1], "ÿ"])
def test_a_wrong_key_is_forbidden_and_nothing_is_stored_whatever_else_is_wrong(key: str | None) -> None:
    with receiving(never) as receiver:
        assert receiver.get(key=key) == (403, b"Forbidden")
        assert receiver.get(key=key, date="yesterday", smsID=None) == (403, b"Forbidden")


def test_a_right_key_beside_a_wrong_one_is_forbidden() -> None:
    with receiving(never) as receiver:
        query = urlencode(FIELDS)
        assert receiver.ask("GET", f"/callback?{query}&key=x")[0] == 403
        assert receiver.ask("GET", f"/callback?key=x&{query}")[0] == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"smsID": None},
        {"smsID": "7 1"},
        {"smsID": "7" * 21},
        {"number": None},
        {"number": "+995500000001"},
        {"number": "٩٩٥٥٠٠٠٠٠٠٠١"},
        {"statusID": "5"},
        {"statusID": "11"},
        {"statusID": ""},
        {"date": None},
        {"date": "2027-02-30 12:02:02"},
        {"date": "2027-01-31T12:02:02"},
        {"date": "2027-01-31 12:02:02\x00"},
        {"date": "0001-01-01 00:00:00"},
    ],
)
def test_what_is_malformed_is_a_bad_request_and_nothing_is_stored(changes: dict[str, str | None]) -> None:
    with receiving(never) as receiver:
        assert receiver.get(**changes) == (400, b"Bad Request")


def test_a_field_that_is_there_twice_is_a_bad_request() -> None:
    with receiving(never) as receiver:
        assert receiver.ask("GET", f"/callback?{urlencode(FIELDS)}&statusID=1")[0] == 400


def test_a_field_that_is_not_documented_is_ignored(receiver: Receiver, connection: Connection) -> None:
    assert receiver.ask("GET", f"/callback?{urlencode(FIELDS)}&parts=2&x") == (200, b"OK")
    assert len(stored(connection)) == 1


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "/callback?" + urlencode(FIELDS), 405),
        ("HEAD", "/callback?" + urlencode(FIELDS), 405),
        ("GET", "/?" + urlencode(FIELDS), 404),
        ("GET", "/healthz", 200),
        ("GET", "/callback?" + urlencode(FIELDS) + "&x=" + "y" * 1024, 403),
        ("GET", "/callback?x=" + "y" * 100_000, 414),
    ],
)
def test_only_what_is_documented_is_taken(method: str, target: str, status: int) -> None:
    with receiving(never) as receiver:
        assert receiver.ask(method, target)[0] == status


@pytest.mark.parametrize(
    ("error", "status"), [(psycopg.OperationalError("away"), 503), (psycopg.DataError(f"bad {NUMBER}"), 500)]
)
def test_what_can_not_be_stored_is_not_answered_ok(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Report) -> None:
        raise error

    with receiving(fail) as receiver:
        assert receiver.get()[0] == status
    said = "".join(capsys.readouterr())
    assert type(error).__name__ in said
    assert NUMBER not in said


def test_neither_the_key_nor_a_number_reaches_a_log(
    receiver: Receiver, capfd: pytest.CaptureFixture[str], connection: Connection
) -> None:
    receiver.get()
    receiver.get(date="x")
    receiver.get(key=KEY + "x")
    receiver.ask("GET", "/callback?" + urlencode(FIELDS) + "y" * 100_000)
    with socket.create_connection(("127.0.0.1", receiver.port)) as sock:
        sock.sendall(f"GET /callback?key={quote(KEY)}&number={NUMBER} HTTP/9.9\r\nx\r\n\r\n".encode())
        sock.recv(1000)
    said = "".join(capfd.readouterr())
    assert "without the right key" in said
    for secret in (KEY, quote(KEY), KEY[:10], NUMBER):
        assert secret not in said


def test_a_client_that_drips_is_cut_off_and_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HEAD_S", 0.5)
    with receiving(lambda _: None) as receiver, contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", receiver.port))) for _ in range(4 * THREADS)
        ]
        for client in clients:
            client.sendall(b"GET /callback?")
        assert receiver.get() == (200, b"OK")
        assert all(dripped_until_cut(client) < 3 for client in clients)


def dripped_until_cut(client: socket.socket) -> float:
    begun = time.monotonic()
    client.settimeout(0.05)
    while time.monotonic() - begun < 4:
        try:
            client.sendall(b"x")
            if not client.recv(1000):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - begun


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))


def over_tls(keep: Keep, certificate: tuple[Path, Path]) -> "contextlib.AbstractContextManager[Receiver]":
    cert, key = certificate
    trusting = ssl.create_default_context(cafile=str(cert))
    return receiving(keep, trusting, callback_cert_file=str(cert), callback_cert_key_file=str(key))


def test_reports_come_over_tls(certificate: tuple[Path, Path]) -> None:
    kept: list[Report] = []
    with over_tls(kept.append, certificate) as receiver:
        assert receiver.get() == (200, b"OK")
        assert receiver.get(key="x" * 20)[0] == 403
    assert [report.sms_id for report in kept] == ["71"]


def test_clients_that_make_no_handshake_keep_nobody_waiting(certificate: tuple[Path, Path]) -> None:
    with over_tls(lambda _: None, certificate) as receiver, contextlib.ExitStack() as stack:
        for _ in range(4 * THREADS):
            stack.enter_context(socket.create_connection(("127.0.0.1", receiver.port)))
        with socket.create_connection(("127.0.0.1", receiver.port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            begun = time.monotonic()
            assert receiver.get() == (200, b"OK")
            assert time.monotonic() - begun < server_module.HEAD_S / 4


def test_who_makes_no_handshake_is_ended(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HEAD_S", 0.5)
    with (
        over_tls(lambda _: None, certificate) as receiver,
        socket.create_connection(("127.0.0.1", receiver.port), 20) as silent,
    ):
        assert silent.recv(1) == b""


def test_connections_beyond_the_limit_are_ended_and_the_others_served() -> None:
    with receiving(lambda _: None) as receiver, contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", receiver.port), 5)) for _ in range(CONNECTIONS)
        ]
        for client in clients:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert all(client.recv(1000).startswith(b"HTTP/1.1 200") for client in clients)
        with socket.create_connection(("127.0.0.1", receiver.port), 5) as one_more, contextlib.suppress(OSError):
            assert one_more.recv(1) == b""
        clients.pop().close()
        until_it_answers(receiver)


def test_a_head_that_is_too_large_is_refused_however_it_comes() -> None:
    with receiving(never) as receiver:
        for head, status in (
            (f"GET /?{'y' * 20_000} HTTP/1.1", b"414"),
            (f"GET / HTTP/1.1\r\nX: {'y' * 20_000}", b"431"),
        ):
            for size in (len(head) + 30, 1000):  # at once, and in parts
                with socket.create_connection(("127.0.0.1", receiver.port), 5) as client:
                    sent = f"{head}\r\nHost: x\r\n\r\n".encode()
                    with contextlib.suppress(OSError):
                        for begin in range(0, len(sent), size):
                            client.sendall(sent[begin : begin + size])
                    assert client.recv(1000).split()[1] == status


def test_a_certificate_that_can_not_be_used_is_said(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    with (
        pytest.raises(SettingsError, match="CALLBACK_CERT_FILE"),
        receiving(never, callback_cert_file=str(missing), callback_cert_key_file=str(missing)),
    ):
        pass


def test_without_a_key_nothing_is_received() -> None:
    with pytest.raises(SettingsError, match="CALLBACK_KEY is not set"):
        Callback.kept_by(UbillSettings(), Work(1, 0, 1), never)


def test_the_http_door_takes_reports_too_where_the_key_is_set(
    database_url: str, broker_url: str, tmp_path: Path, connection: Connection
) -> None:
    with door(database_url, broker_url, tmp_path, UBILL__CALLBACK_KEY="") as opened:
        assert Receiver(opened.port).get()[0] == 404
    with door(database_url, broker_url, tmp_path, UBILL__CALLBACK_KEY=KEY) as opened:
        receiver = Receiver(opened.port)
        assert receiver.get(key=KEY + "x") == (403, b"Forbidden")
        assert receiver.get(date="yesterday") == (400, b"Bad Request")
        assert receiver.ask("POST", "/callback?" + urlencode(FIELDS)) == (405, b"Method Not Allowed")
        assert receiver.get() == (200, b"OK")
        assert len(stored(connection)) == 1
        said = opened.one.log.read_text()
        assert KEY not in said
        assert NUMBER not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_serves_until_it_is_told_to_stop(
    database_url: str, connection: Connection, number: signal.Signals
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = dict(os.environ) | {
        "SETTLEPIPE_DATABASE_URL": database_url,
        "SETTLEPIPE_UBILL__CALLBACK_KEY": KEY,
        "SETTLEPIPE_UBILL__CALLBACK_PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.callback"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        receiver = Receiver(port)
        until_it_answers(receiver)
        assert receiver.get() == (200, b"OK")
    finally:
        process.send_signal(number)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert len(stored(connection)) == 1
    assert KEY not in said


def until_it_answers(receiver: Receiver, limit_s: float = 20) -> None:
    ends = time.monotonic() + limit_s
    while True:
        try:
            assert receiver.ask("GET", "/healthz") == (200, b"OK")
            return
        except OSError:
            assert time.monotonic() < ends, "it did not come up in time"
            time.sleep(0.05)
