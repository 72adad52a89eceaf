"""The HTTP client against a server that misbehaves byte by byte."""

import gzip
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from shared.providers.http import Http
from shared.providers.raw_answers import MAX_RETRY_AFTER_S, Fault, HttpAnswer, HttpFault, parse_json
from shared.settings.sections import HttpSettings
from tests.support.certificate import self_signed
from tests.support.raw_server import Connection, RawServer, Script, answer, answering, raw_server, then

LIMITS = HttpSettings(connect_timeout_s=2, total_timeout_s=1.5, max_body_bytes=10_000)
SLACK_S = 4  # what a busy machine may add to a deadline; without one these calls take 5 s or more


def post(server: RawServer | str, limits: HttpSettings = LIMITS, ca_file: str | None = None) -> HttpAnswer | HttpFault:
    url = server if isinstance(server, str) else server.url
    return Http(url, limits, ca_file=ca_file).call("POST", "/pay/", headers={"X-Key": "k"}, body=b'{"a":1}')


def kept(http: Http) -> HttpAnswer | HttpFault:
    """A call whose answer its reader takes for a documented one."""
    outcome = http.call("POST", "/", body=b"{}")
    http.keep(outcome)
    return outcome


def fault(outcome: HttpAnswer | HttpFault) -> tuple[Fault, bool]:
    assert isinstance(outcome, HttpFault), outcome
    return outcome.kind, outcome.written


def body(outcome: HttpAnswer | HttpFault) -> bytes:
    assert isinstance(outcome, HttpAnswer), outcome
    return outcome.body


def after_request(*pieces: bytes) -> Script:
    """A script that reads a request, sends these pieces and closes."""

    def script(connection: Connection) -> None:
        connection.request()
        for piece in pieces:
            connection.send(piece)

    return script


def test_a_request_is_sent_as_given_and_answered() -> None:
    with raw_server(answering(answer(201, b'{"b":2}', "X-Thing: yes"))) as server:
        outcome = post(server)
    assert isinstance(outcome, HttpAnswer)
    assert (outcome.status, outcome.body, outcome.headers["x-thing"]) == (201, b'{"b":2}', "yes")
    head, _, sent = server.requests[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /pay/ http/1.1"
    assert sent == b'{"a":1}'
    assert {b"content-length: 7", b"content-type: application/json", b"x-key: k"} <= set(lines)
    assert b"accept-encoding: identity" in lines


def test_the_connection_is_kept_for_the_next_call_of_the_thread() -> None:
    with raw_server(answering(answer())) as server:
        http = Http(server.url, LIMITS)
        for _ in range(5):
            assert body(kept(http)) == b""
    assert (server.connections, len(server.requests)) == (1, 5)


def test_the_connection_ends_where_nobody_took_its_answer_for_a_documented_one() -> None:
    with raw_server(answering(answer())) as server:
        http = Http(server.url, LIMITS)
        first = http.call("POST", "/", body=b"{}")
        http.call("POST", "/", body=b"{}")
        http.keep(first)  # too late: it is the answer to the last call that counts
        http.call("POST", "/", body=b"{}")
    assert (server.connections, len(server.requests)) == (3, 3)


def test_each_thread_has_a_connection_of_its_own() -> None:
    with raw_server(answering(answer())) as server:
        http = Http(server.url, LIMITS)
        together = threading.Barrier(4)

        def work() -> None:
            together.wait()
            for _ in range(3):
                kept(http)
            together.wait()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (server.connections, len(server.requests)) == (4, 12)


@pytest.mark.parametrize(
    "script",
    [
        lambda c: (c.request(), c.hang()),
        lambda c: (c.request(), c.drip(answer(200, b"x" * 5000), 0.02)),
        lambda c: (c.request(), c.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"), c.drip(b"x" * 5000, 0.02)),
        lambda c: (c.request(), c.drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000, 0.02)),
        lambda c: (
            c.request(),
            c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            c.drip(b"1\r\nx\r\n" * 999, 0.02),
        ),
        lambda c: (c.request(), c.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 999, 0.005)),
    ],
    ids=["hang", "drip status line", "drip body", "drip headers", "drip chunks", "endless 100 Continue"],
)
def test_the_deadline_is_total_however_the_server_drips(script: Script) -> None:
    with raw_server(script) as server:
        started = time.monotonic()
        outcome = post(server)
        took_s = time.monotonic() - started
    assert fault(outcome) == (Fault.TIME_OUT, True)
    assert LIMITS.total_timeout_s <= took_s < LIMITS.total_timeout_s + SLACK_S


def test_the_deadline_holds_while_the_request_is_written() -> None:
    with raw_server(lambda c: c.server.stopped.wait(5)) as server:
        started = time.monotonic()
        outcome = Http(server.url, LIMITS).call("POST", "/", body=b"x" * 10_000_000)
        took_s = time.monotonic() - started
    assert fault(outcome) == (Fault.TIME_OUT, True)
    assert took_s < LIMITS.total_timeout_s + SLACK_S


def test_a_refused_connection_is_not_connected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert fault(post(f"http://127.0.0.1:{port}")) == (Fault.NOT_CONNECTED, False)


def test_a_connection_that_is_not_accepted_in_time_is_not_connected() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = []
        for _ in range(4):  # the kernel drops the SYNs of a full queue
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        started = time.monotonic()
        limits = HttpSettings(connect_timeout_s=0.2, total_timeout_s=5)
        outcome = post(f"http://127.0.0.1:{listener.getsockname()[1]}", limits)
        assert fault(outcome) == (Fault.NOT_CONNECTED, False)
        assert time.monotonic() - started < 0.2 + SLACK_S
        for filler in fillers:
            filler.close()


def test_a_name_that_does_not_exist_is_not_connected() -> None:
    assert fault(post("http://no-such-host.invalid")) == (Fault.NOT_CONNECTED, False)


def test_a_resolver_that_hangs_holds_a_call_no_longer_than_the_connect_time_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()
    real = socket.getaddrinfo

    def hanging(host: str, *args: Any) -> Any:
        if host == "slow.invalid":
            if args[-1:] == (socket.AI_NUMERICHOST,):
                raise socket.gaierror
            release.wait(5)
        return real(host, *args)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    started = time.monotonic()
    outcome = post("http://slow.invalid", HttpSettings(connect_timeout_s=0.2, total_timeout_s=5))
    assert fault(outcome) == (Fault.NOT_CONNECTED, False)
    assert time.monotonic() - started < 0.2 + SLACK_S
    release.set()


def test_a_reset_before_the_answer_is_ambiguous() -> None:
    with raw_server(then(Connection.request, Connection.reset)) as server:
        assert fault(post(server)) == (Fault.RESET, True)


def test_a_connection_closed_without_an_answer_is_ambiguous() -> None:
    with raw_server(after_request()) as server:
        assert fault(post(server)) == (Fault.RESET, True)


def test_a_reset_inside_the_body_is_ambiguous() -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        connection.reset()

    with raw_server(script) as server:
        kind, written = fault(post(server))
    assert kind in (Fault.RESET, Fault.SHORT_BODY)
    assert written


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"half"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"a\r\nhalf"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nhalf\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n",),
        (b"HTTP/1.1 200",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Len",),
    ],
)
def test_what_is_cut_short_is_never_an_answer(pieces: tuple[bytes, ...]) -> None:
    """http.client takes the end of the stream for the end of the headers: that would make an empty 200 of a fault."""
    with raw_server(after_request(*pieces)) as server:
        assert fault(post(server)) == (Fault.SHORT_BODY, True)


def test_a_body_that_ends_with_its_connection_is_whole() -> None:
    with raw_server(after_request(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}")) as server:
        assert body(post(server)) == b"{}"


def test_a_chunked_body_is_put_together() -> None:
    chunks = b'4\r\n{"a"\r\n3\r\n:1}\r\n0\r\n\r\n'
    with raw_server(after_request(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)) as server:
        assert body(post(server)) == b'{"a":1}'


@pytest.mark.parametrize(
    "script",
    [
        answering(answer(200, b"x" * 10_001)),
        after_request(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
        after_request(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000),
        after_request(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 0x4000 + b"\r\n0\r\n\r\n"
        ),
        answering(answer(200, gzip.compress(b"\0" * 5_000_000), "Content-Encoding: gzip")),
    ],
    ids=["one byte too many", "announced", "until close", "chunked", "gzip bomb"],
)
def test_a_body_over_the_limit_is_not_read(script: Script) -> None:
    with raw_server(script) as server:
        assert fault(post(server)) == (Fault.TOO_LARGE, True)


def test_a_body_as_large_as_the_limit_is_read() -> None:
    with raw_server(answering(answer(200, b"x" * 10_000))) as server:
        assert len(body(post(server))) == 10_000


def test_gzip_is_read_though_it_was_not_asked_for() -> None:
    with raw_server(answering(answer(200, gzip.compress(b"{}"), "Content-Encoding: gzip"))) as server:
        assert body(post(server)) == b"{}"


@pytest.mark.parametrize(
    "data",
    [
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        answer(200, b"zzz", "Content-Encoding: gzip"),
        answer(200, b"zzz", "Content-Encoding: br"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
)
def test_what_is_not_http_is_malformed(data: bytes) -> None:
    with raw_server(after_request(data)) as server:
        assert fault(post(server)) == (Fault.MALFORMED, True)


def test_a_redirect_is_an_answer_and_its_target_is_never_called() -> None:
    with raw_server(answering(answer(302, b"", "Location: /elsewhere"), answer(200))) as server:
        outcome = post(server)
        assert isinstance(outcome, HttpAnswer)
        assert outcome.status == 302
        assert len(server.requests) == 1


def test_cookies_are_ignored() -> None:
    with raw_server(answering(answer(200, b"", "Set-Cookie: a=b; Path=/"))) as server:
        http = Http(server.url, LIMITS)
        http.call("GET", "/")
        http.call("GET", "/")
    assert b"cookie" not in server.requests[1].lower()


def test_proxies_and_credentials_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login made-up password made-up\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with raw_server(answering(answer())) as server:
        assert body(post(server)) == b""
    assert b"authorization" not in server.requests[0].lower()


def test_a_kept_connection_seen_closed_is_replaced_before_anything_is_written() -> None:
    closed = threading.Event()

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(answer())
        if connection.number == 1:
            connection.sock.shutdown(socket.SHUT_RDWR)
            closed.set()
        connection.hang()

    with raw_server(script) as server:
        http = Http(server.url, LIMITS)
        assert body(kept(http)) == b""
        closed.wait(5)
        assert body(kept(http)) == b""
    assert (server.connections, len(server.requests)) == (2, 2)


def test_a_kept_connection_closed_under_the_request_is_ambiguous_and_not_sent_again() -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.send(answer())
        connection.request()
        connection.reset()

    with raw_server(script) as server:
        http = Http(server.url, LIMITS)
        assert body(kept(http)) == b""
        assert fault(http.call("POST", "/", body=b"{}")) == (Fault.RESET, True)
    assert (server.connections, len(server.requests)) == (1, 2)


def test_the_connection_is_not_used_again_after_a_fault() -> None:
    """A late answer to the call before must never be taken for the answer to this one."""

    def script(connection: Connection) -> None:
        connection.request()
        if connection.number == 1:
            connection.hang()
        connection.send(answer(200, b"second"))

    with raw_server(script) as server:
        http = Http(server.url, LIMITS)
        assert fault(http.call("POST", "/", body=b"{}")) == (Fault.TIME_OUT, True)
        assert body(http.call("POST", "/", body=b"{}")) == b"second"
    assert server.connections == 2


def test_bytes_after_the_answer_do_not_become_the_next_answer() -> None:
    def script(connection: Connection) -> None:
        connection.request()
        extra = answer(200, b"forged") if connection.number == 1 else b""
        connection.send(answer(200, b"real") + extra)
        connection.hang()

    with raw_server(script) as server:
        http = Http(server.url, LIMITS)
        assert body(kept(http)) == b"real"
        assert body(kept(http)) == b"real"
    assert server.connections == 2


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    cert, key = self_signed(tmp_path_factory.mktemp("tls"))
    return str(cert), str(key)


def tls_context(certificate: tuple[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_tls_works_with_a_known_authority(certificate: tuple[str, str]) -> None:
    with raw_server(answering(answer(200, b"{}")), tls_context(certificate)) as server:
        assert body(post(server, ca_file=certificate[0])) == b"{}"


def test_a_certificate_that_is_not_trusted_is_not_connected(certificate: tuple[str, str]) -> None:
    with raw_server(answering(answer(200, b"{}")), tls_context(certificate)) as server:
        assert fault(post(server)) == (Fault.NOT_CONNECTED, False)
    assert server.requests == []


def test_a_tls_handshake_that_hangs_is_not_connected() -> None:
    limits = HttpSettings(connect_timeout_s=0.2, total_timeout_s=5)
    with raw_server(lambda c: c.hang()) as server:
        started = time.monotonic()
        assert fault(post(f"https://127.0.0.1:{server.port}", limits)) == (Fault.NOT_CONNECTED, False)
        assert time.monotonic() - started < 0.2 + SLACK_S


def test_the_deadline_is_total_over_tls(certificate: tuple[str, str]) -> None:
    def script(connection: Connection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        connection.drip(b"x" * 5000, 0.02)

    with raw_server(script, tls_context(certificate)) as server:
        started = time.monotonic()
        assert fault(post(server, ca_file=certificate[0])) == (Fault.TIME_OUT, True)
        assert time.monotonic() - started < LIMITS.total_timeout_s + SLACK_S


def test_a_read_is_repeated_when_the_connection_failed() -> None:
    def script(connection: Connection) -> None:
        connection.request()
        if connection.number < 3:
            connection.reset()
        else:
            connection.send(answer(200, b"third"))

    with raw_server(script) as server:
        outcome = Http(server.url, HttpSettings(total_timeout_s=5)).read("GET", "/", params={"a": "b c", "none": None})
    assert body(outcome) == b"third"
    assert server.requests[2].startswith(b"GET /?a=b+c HTTP/1.1\r\n")


def test_a_read_gives_up_after_three_connections() -> None:
    with raw_server(then(Connection.request, Connection.reset)) as server:
        assert fault(Http(server.url, HttpSettings(total_timeout_s=5)).read("GET", "/")) == (Fault.RESET, True)
    assert server.connections == 3


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_a_read_is_not_repeated_for_an_answer(status: int) -> None:
    with raw_server(answering(answer(status))) as server:
        assert isinstance(Http(server.url, LIMITS).read("GET", "/"), HttpAnswer)
    assert len(server.requests) == 1


def test_reads_together_have_one_deadline() -> None:
    with raw_server(then(Connection.request, lambda _: time.sleep(0.3), Connection.reset)) as server:
        started = time.monotonic()
        fault(Http(server.url, LIMITS).read("GET", "/"))
        assert time.monotonic() - started < LIMITS.total_timeout_s + 1 + SLACK_S


def test_a_call_is_never_repeated() -> None:
    with raw_server(then(Connection.request, Connection.reset)) as server:
        post(server)
        assert (server.connections, len(server.requests)) == (1, 1)


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "expected_s"),
    [
        (["Retry-After: 7"], 7.0),
        (["Retry-After: 0"], 0.0),
        (["Retry-After: 99999999999999999999"], MAX_RETRY_AFTER_S),
        (["Retry-After: -5"], None),
        (["Retry-After: soon"], None),
        (["Retry-After: "], None),
        ([], None),
        (
            [
                f"Date: {format_datetime(NOW, usegmt=True)}",
                f"Retry-After: {format_datetime(NOW + timedelta(seconds=90), usegmt=True)}",
            ],
            90.0,
        ),
        (
            [
                f"Date: {format_datetime(NOW, usegmt=True)}",
                f"Retry-After: {format_datetime(NOW - timedelta(days=9), usegmt=True)}",
            ],
            0.0,
        ),
        (["Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"], MAX_RETRY_AFTER_S),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(headers: list[str], expected_s: float | None) -> None:
    with raw_server(answering(answer(503, b"", *headers))) as server:
        outcome = post(server)
    assert isinstance(outcome, HttpAnswer)
    assert outcome.retry_after_s == expected_s


def test_a_header_that_would_split_the_request_is_an_error() -> None:
    with raw_server(answering(answer())) as server:
        with pytest.raises(ValueError, match="X-Key"):
            Http(server.url, LIMITS).call("POST", "/", headers={"X-Key": "a\r\nB: c"}, body=b"{}")
        assert server.connections == 0


def test_a_fault_says_nothing_of_the_request() -> None:
    with raw_server(then(Connection.request, Connection.reset)) as server:
        outcome = Http(server.url, LIMITS).call(
            "GET", "/x", params={"phone": "made-up-phone"}, headers={"K": "made-up-key"}
        )
    assert "made-up" not in repr(outcome)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"NaN",
        b"\xff\xfe\x00",
        b"<html>",
        b"{} {}",
        b"9" * 5000,
        b"1e99999999999999999999",
        b"1e999999",
    ],
)
def test_what_is_not_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_json(text)


def test_a_body_is_json_unless_the_headers_name_another_type() -> None:
    with raw_server(answering(answer())) as server:
        http = Http(server.url, LIMITS)
        http.call("POST", "/", headers={"content-type": "application/x-www-form-urlencoded"}, body=b"a=1")
        http.call("POST", "/", body=b"{}")
    types = [[line for line in r.lower().split(b"\r\n") if line.startswith(b"content-type")] for r in server.requests]
    assert types == [[b"content-type: application/x-www-form-urlencoded"], [b"content-type: application/json"]]


@pytest.mark.parametrize(
    "pieces",
    [
        (answer(200, b"a" * 20_000),),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5000\r\n" + b"a" * 0x5000, b"\r\n"),
    ],
    ids=["too large", "cut short", "too many chunks"],
)
def test_where_the_status_is_all_that_counts_a_body_that_is_none_is_left_out(pieces: tuple[bytes, ...]) -> None:
    def script(connection: Connection) -> None:
        (after_request(*pieces) if connection.number == 1 else answering(answer(200, b"next")))(connection)

    with raw_server(script) as server:
        http = Http(server.url, LIMITS)
        outcome = http.call("POST", "/", body=b"{}", whole=False)
        assert isinstance(outcome, HttpAnswer)
        assert (outcome.status, outcome.body) == (200, b"")
        http.keep(outcome)
        assert body(http.call("POST", "/", body=b"{}")) == b"next", "on a connection of its own"


def test_where_the_status_is_all_that_counts_no_status_is_no_answer() -> None:
    with raw_server(after_request(b"HTTP/1.1 2")) as server:
        outcome = Http(server.url, LIMITS).call("POST", "/", body=b"{}", whole=False)
    assert isinstance(outcome, HttpFault)
