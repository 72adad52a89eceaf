"""The probes' HTTP, over real sockets."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection

import pytest

from deploy.local.home import free_ports
from shared.health import server
from shared.health.server import Answer
from shared.settings import SettingsError

GOOD: Answer = (True, {"live": True})
BAD: Answer = (False, {"ready": False})
TOLD: Answer = (True, "# HELP made_up é\nmade_up 1\n")


@pytest.fixture
def port() -> Iterator[int]:
    (found,) = free_ports(1)
    listening = server.serve(
        "127.0.0.1", found, {"/livez": lambda: GOOD, "/readyz": lambda: BAD, "/metrics": lambda: TOLD}
    )
    yield found
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def ask(port: int, method: str, path: str) -> tuple[int, object]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_what_is_good_is_a_200_and_what_is_not_a_503(port: int) -> None:
    assert ask(port, "GET", "/livez") == (HTTPStatus.OK, {"live": True})
    assert ask(port, "GET", "/readyz?verbose") == (HTTPStatus.SERVICE_UNAVAILABLE, {"ready": False})


def test_anything_else_is_refused(port: int) -> None:
    assert ask(port, "GET", "/")[0] == HTTPStatus.NOT_FOUND
    assert ask(port, "POST", "/livez")[0] == HTTPStatus.METHOD_NOT_ALLOWED
    assert server.answer("nonsense", {})[0] == HTTPStatus.BAD_REQUEST


def test_a_head_alone_is_told_without_a_body(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("HEAD", "/metrics")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0
    connection.close()


def test_an_answer_that_fails_or_takes_long_ends_no_thread() -> None:
    def fails() -> Answer:
        raise ValueError("made-up")

    def slow() -> Answer:
        time.sleep(1.2 * server.REQUEST_S)  # as one that asks a server
        return TOLD

    (found,) = free_ports(1)
    listening = server.serve("127.0.0.1", found, {"/fails": fails, "/slow": slow, "/livez": lambda: GOOD}, threads=1)
    for _ in range(3):
        assert ask(found, "GET", "/fails")[0] == HTTPStatus.INTERNAL_SERVER_ERROR
    connection = HTTPConnection("127.0.0.1", found, timeout=30)
    connection.request("GET", "/slow")
    assert connection.getresponse().read().decode() == TOLD[1]
    connection.close()
    assert ask(found, "GET", "/livez")[0] == HTTPStatus.OK
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def test_who_says_nothing_or_one_byte_a_second_keeps_nobody_for_long(port: int) -> None:
    """Both threads are taken, by one that is silent and one that drips; a third has its answer all the same."""
    with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)) as dripping:
        ended = threading.Event()

        def drip() -> None:
            while not ended.wait(0.2):
                try:
                    dripping.sendall(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        assert ask(port, "GET", "/livez")[0] == HTTPStatus.OK
        assert time.monotonic() - began < 3 * server.REQUEST_S
        ended.set()
        thread.join()


def test_a_request_without_an_end_is_not_read_for_ever(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as endless:
        endless.sendall(b"GET /livez HTTP/1.1\r\nX: " + b"x" * server.MAX_REQUEST_BYTES)
        assert endless.recv(12) in (b"HTTP/1.1 200", b"")


def test_a_port_that_is_taken_is_told(port: int) -> None:
    with pytest.raises(SettingsError, match=f"127.0.0.1:{port} can't be listened on .*SETTLEPIPE_HEALTH_PORT"):
        server.serve("127.0.0.1", port, {})


def test_a_text_is_told_as_it_is(port: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.read().decode() == TOLD[1]
    connection.close()
