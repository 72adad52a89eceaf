"""An answer belongs to its own request, or it is none: whatever could shift answers by one, or end one elsewhere."""

import ssl
import threading
import time
from pathlib import Path

import pytest

from shared.providers.http import Http
from shared.providers.raw_answers import Fault, HttpAnswer, HttpFault
from shared.settings.sections import HttpSettings
from tests.support.certificate import self_signed
from tests.support.raw_server import Connection, RawServer, Script, answer, raw_server

LIMITS = HttpSettings(connect_timeout_s=2, total_timeout_s=5, max_body_bytes=10_000)
IMPATIENT = HttpSettings(connect_timeout_s=0.5, total_timeout_s=0.5)
OK = b"HTTP/1.1 200 OK\r\n"
JSON = b"Content-Length: 2\r\n\r\n{}"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
MALFORMED = (Fault.MALFORMED, True)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))


def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def call(http: Http) -> HttpAnswer | HttpFault:
    """A call whose answer its reader takes for a documented one."""
    outcome = http.call("POST", "/", body=b"{}")
    http.keep(outcome)
    return outcome


def told(outcome: HttpAnswer | HttpFault) -> object:
    """What a test compares: status and body, or the fault."""
    if isinstance(outcome, HttpFault):
        return outcome.kind, outcome.written
    return outcome.status, outcome.body


def once(data: bytes, *, limits: HttpSettings = LIMITS, hang: bool = True) -> object:
    """What a client makes of these bytes. hang: the connection stays open behind them."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(data)
        if hang:
            connection.hang()

    with raw_server(script) as server:
        return told(call(Http(server.url, limits)))


# Interim answers


@pytest.mark.parametrize("status", [100, 102, 103, 110, 199])
def test_an_interim_answer_is_passed_over(status: int) -> None:
    assert once(f"HTTP/1.1 {status} X\r\nX-A: b\r\n\r\n".encode() + OK + JSON) == (200, b"{}")


def test_several_interim_answers_are_passed_over_in_whatever_pieces_they_come() -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS + HINTS + b"HTTP/1.1 102 Processing\r\n\r\n" + OK + JSON

    def script(connection: Connection) -> None:
        connection.request()
        for index in range(len(data)):
            connection.send(data[index : index + 1])

    with raw_server(script) as server:
        assert told(call(Http(server.url, LIMITS))) == (200, b"{}")


def test_a_refusal_behind_an_interim_answer_is_read() -> None:
    assert once(HINTS + answer(429, b"", "Retry-After: 7")) == (429, b"")


def test_an_interim_answer_and_the_final_one_later_are_one_answer() -> None:
    """The next payment must not get the answer that was still on its way."""

    def script(connection: Connection) -> None:
        while connection.request() is not None:
            number = len(connection.server.requests)
            if number == 1:
                connection.send(HINTS)
                time.sleep(0.3)
            connection.send(answer(200, str(number).encode()))

    with raw_server(script) as server:
        http = Http(server.url, LIMITS)
        assert [told(call(http)) for _ in range(3)] == [(200, b"1"), (200, b"2"), (200, b"3")]
    assert server.connections == 1


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 103 X\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 103 X\r\n\r\n{}",
        b"HTTP/1.1 103 X\r\nno header\r\n\r\n",
        HINTS * 1000,
        (b"HTTP/1.1 103 X\r\nX: " + b"y" * 60_000 + b"\r\n\r\n") * 20,
    ],
    ids=["101", "with a length", "chunked", "with a body", "with a broken header", "a flood", "a flood of bytes"],
)
def test_an_interim_answer_that_is_not_one_is_malformed(interim: bytes) -> None:
    assert once(interim + OK + JSON) == MALFORMED


def test_interim_answers_and_then_nothing_take_no_longer_than_the_deadline() -> None:
    started = time.monotonic()
    assert once(HINTS, limits=IMPATIENT) == (Fault.TIME_OUT, True)
    assert time.monotonic() - started < IMPATIENT.total_timeout_s + 1


def test_interim_answers_and_then_the_end_are_no_answer() -> None:
    assert once(HINTS, hang=False) == (Fault.RESET, True)


# Framing


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: 2\r\nContent-Length: 2\r\n",
        b"Content-Length: 2, 2\r\n",
        b"Content-Length: +2\r\n",
        b"Content-Length: -2\r\n",
        b"Content-Length: 2 2\r\n",
        b"Content-Length: 0x2\r\n",
        b"Content-Length: 2_0\r\n",
        b"Content-Length: 2.0\r\n",
        "Content-Length: \u00b2\r\n".encode("latin-1"),
        b"Content-Length:\r\n",
        b"Content-Length : 2\r\n",
        b" Content-Length: 2\r\n",
        b"X: y\r\n Content-Length: 2\r\nContent-Length: 2\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n",
        b"Transfer-Encoding:\r\n",
        b"X: a\x00b\r\nContent-Length: 2\r\n",
        b"X: a\rb\r\nContent-Length: 2\r\n",
        b"X: a\nContent-Length: 2\r\n",
        b"no header\r\nContent-Length: 2\r\n",
        b": y\r\nContent-Length: 2\r\n",
        b"X" * 70_000 + b": y\r\nContent-Length: 2\r\n",
        b"X: y\r\n" * 101 + b"Content-Length: 2\r\n",
        (b"X: " + b"y" * 9000 + b"\r\n") * 90 + b"Content-Length: 2\r\n",
    ],
)
def test_a_head_that_two_readers_could_read_differently_is_malformed(head: bytes) -> None:
    assert once(OK + head + b"\r\n{}") == MALFORMED


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"HTTP/0.9 200 OK\r\n" + JSON,
        b"HTTP/2 200 OK\r\n" + JSON,
        b"HTTP/1.10 200 OK\r\n" + JSON,
        b"http/1.1 200 OK\r\n" + JSON,
        b"HTTP/1.1  200 OK\r\n" + JSON,
        b"HTTP/1.1 +20 OK\r\n" + JSON,
        b"HTTP/1.1 2000 OK\r\n" + JSON,
        b"HTTP/1.1 020 OK\r\n" + JSON,
        b"HTTP/1.1 200 OK\n" + JSON,
        b"HTTP/1.1 200 O\x00K\r\n" + JSON,
        b"\r\nHTTP/1.1 200 OK\r\n" + JSON,
        b"ICY 200 OK\r\n" + JSON,
    ],
)
def test_a_status_line_that_two_readers_could_read_differently_is_malformed(line: bytes) -> None:
    assert once(line + b"\r\n") == MALFORMED


@pytest.mark.parametrize(
    "chunks",
    [
        b"+2\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b" 2\r\n{}\r\n0\r\n\r\n",
        b"-2\r\n{}\r\n0\r\n\r\n",
        b"\r\n{}\r\n0\r\n\r\n",
        b"2\n{}\r\n0\r\n\r\n",
        b"2\r\n{}0\r\n\r\n\r\n",
        b"2\r\n{}xx0\r\n\r\n",
        b"2;a\x00b\r\n{}\r\n0\r\n\r\n",
        b"2;" + b"a" * 5000 + b"\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}\r\n0\r\nno trailer\r\n\r\n",
        b"2\r\n{}\r\n0\r\nContent-Length: 2\r\n\r\n",
        b"2\r\n{}\r\n0\r\nContent-Encoding: gzip\r\n\r\n",
        b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 101 + b"\r\n",
    ],
)
def test_chunks_that_two_readers_could_read_differently_are_malformed(chunks: bytes) -> None:
    assert once(OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunks) == MALFORMED


def test_a_chunk_as_large_as_a_number_can_be_is_not_read() -> None:
    head = OK + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n"
    assert once(head + b"x" * 20_000, hang=False) == (Fault.TOO_LARGE, True)


def test_chunks_with_extensions_and_trailers_are_put_together() -> None:
    chunks = b'4;a=b\r\n{"a"\r\n3 ;c="d"\r\n:1}\r\n00\r\nX-Sum: 7\r\n\r\n'
    assert once(OK + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks) == (200, b'{"a":1}')


def test_a_body_cut_behind_its_last_chunk_is_short() -> None:
    data = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    assert once(data, hang=False) == (Fault.SHORT_BODY, True)


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_an_empty_body_whose_end_nobody_told_is_short(version: bytes) -> None:
    """A server that breaks down behind its headers looks the same, and an empty 200 is a success at billcenter."""
    assert once(version + b" 200 OK\r\n\r\n", hang=False) == (Fault.SHORT_BODY, True)
    assert once(version + b" 200 OK\r\n\r\n \r\n", hang=False) == (Fault.SHORT_BODY, True)
    assert once(version + b" 200 OK\r\n\r\n{}", hang=False) == (200, b"{}")


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_that_announces_one_is_malformed(status: int) -> None:
    head = f"HTTP/1.1 {status} X\r\n".encode()
    assert once(head + b"\r\n") == (status, b"")
    assert once(head + b"Content-Length: 0\r\n\r\n") == (status, b"")
    assert once(head + JSON) == MALFORMED
    assert once(head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n") == MALFORMED


def test_chunks_are_none_of_http_1_0() -> None:
    assert once(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n") == MALFORMED


# One clean, whole, final answer a connection


def numbered(first: bytes, later: bytes = b"", wait_s: float = 0.0) -> tuple[Script, threading.Event]:
    """Answers the first request with `first` and, after a while, `later`; all others with their connection's number."""
    gone = threading.Event()

    def script(connection: Connection) -> None:
        connection.request()
        if connection.number == 1:
            connection.send(first)
            if later:
                time.sleep(wait_s)
                connection.send(later)
            gone.set()
            if connection.request() is not None:
                connection.send(answer(200, b"stale connection"))
        connection.send(answer(200, str(connection.number).encode()))
        connection.hang()

    return script, gone


STALE = answer(200, b"of another request")


@pytest.mark.parametrize(
    ("first", "got"),
    [
        (answer(504), (504, b"")),
        (answer(500, b"{}"), (500, b"{}")),
        (answer(599), (599, b"")),
        (answer(408), (408, b"")),
        (answer(302), (302, b"")),
        (answer(200, b"1", "Connection: close"), (200, b"1")),
        (answer(200, b"1", "Connection: x, Close"), (200, b"1")),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n1", (200, b"1")),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", MALFORMED),
        (answer(200, b"xxx", "Content-Encoding: gzip"), MALFORMED),
        (answer(200, b"x" * 10_001), (Fault.TOO_LARGE, True)),
    ],
)
def test_a_connection_ends_with_an_answer_that_another_may_follow(first: bytes, got: object) -> None:
    """Whatever the reader says of it. The late answer comes after the next request was written."""
    script, _ = numbered(first)
    with raw_server(script) as server:
        http = Http(server.url, LIMITS)
        assert told(call(http)) == got
        assert told(call(http)) == (200, b"2")
    assert server.connections == 2


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    ("first", "later", "wait_s"),
    [
        (answer(200, b"1") + STALE, b"", 0),
        (answer(200, b"1"), STALE, 0.2),
        (answer(200, b"1"), b"\r\n", 0.2),
        (answer(204), b"{}", 0.2),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n", STALE, 0.2),
        (b"".join([answer(200, b"x" * (8192 - len(answer(200, b"x" * 8000)) + 8000)), STALE]), b"", 0),
    ],
    ids=["at once", "later", "a blank line", "a body behind 204", "behind chunks", "in the rest of a TLS record"],
)
def test_what_is_there_before_a_request_is_not_its_answer(
    secure: bool, first: bytes, later: bytes, wait_s: float, certificate: tuple[Path, Path]
) -> None:
    script, gone = numbered(first, later, wait_s)
    with raw_server(script, tls(certificate) if secure else None) as server:
        http = Http(server.url, LIMITS, ca_file=str(certificate[0]))
        assert isinstance(call(http), HttpAnswer)
        assert gone.wait(5)
        time.sleep(0.1)  # what was sent has to arrive: on loopback it does at once
        assert told(call(http)) == (200, b"2")
    assert (server.connections, len(server.requests)) == (2, 2)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_server_that_speaks_first_is_not_asked(
    secure: bool, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.providers.connection._LISTEN_S", 2.0)  # also where the machine is slow

    def script(connection: Connection) -> None:
        connection.send(STALE)
        connection.request()
        connection.hang()

    with raw_server(script, tls(certificate) if secure else None) as server:
        http = Http(server.url, LIMITS, ca_file=str(certificate[0]))
        outcomes = {told(call(http)) for _ in range(3)}
    assert outcomes == {(Fault.NOT_CONNECTED, False)}
    assert server.requests == []


def test_an_answer_that_begins_before_the_whole_request_was_written_is_none() -> None:
    def script(connection: Connection) -> None:
        connection.sock.recv(1000)
        connection.send(answer(200, b"{}"))
        connection.hang()

    with raw_server(script) as server:
        outcome = Http(server.url, LIMITS).call("POST", "/", body=b"x" * 20_000_000)
    assert told(outcome) == MALFORMED


def test_an_answer_to_half_a_request_is_none() -> None:
    """urllib3 reads on where the connection broke while the request was written."""

    def script(connection: Connection) -> None:
        connection.sock.recv(1000)
        connection.send(answer(200, b"{}"))

    with raw_server(script) as server:
        outcome = Http(server.url, LIMITS).call("POST", "/", body=b"x" * 20_000_000)
    assert isinstance(outcome, HttpFault)
    assert outcome.written


def test_session_tickets_are_no_answer_and_a_connection_over_tls_is_kept(certificate: tuple[Path, Path]) -> None:
    def script(connection: Connection) -> None:
        while connection.request() is not None:
            connection.send(answer(200, str(len(connection.server.requests)).encode()))

    with raw_server(script, tls(certificate)) as server:
        http = Http(server.url, LIMITS, ca_file=str(certificate[0]))
        assert [told(call(http)) for _ in range(4)] == [(200, str(n).encode()) for n in (1, 2, 3, 4)]
    assert server.connections == 1


def test_the_plain_server_of_the_helpers_is_one(certificate: tuple[Path, Path]) -> None:
    """What these tests rest on: a whole answer in one piece is read, and its connection kept."""

    def script(connection: Connection) -> None:
        while connection.request() is not None:
            connection.send(answer(200, b"{}"))

    with raw_server(script) as server:
        http = Http(server.url, LIMITS)
        assert [told(call(http)) for _ in range(3)] == [(200, b"{}")] * 3
        assert isinstance(server, RawServer)
    assert server.connections == 1
