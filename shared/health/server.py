"""The HTTP that probes and Prometheus ask: `GET /livez`, `/readyz` and `/metrics`, from a few daemon threads.

Everything has a limit: a request's bytes and its time, the time that its answer may take to be read, the connections
that wait. It reads nothing but the request's first line; probes are answered from memory.
"""

import contextlib
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from shared.settings import SettingsError
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

REQUEST_S = 2.0  # for a request to come, and again for its answer to be taken
MAX_REQUEST_BYTES = 4096
_THREADS = 2  # one that says nothing does not keep another one waiting
_WAITING = 16
_NAMED = "SETTLEPIPE_HEALTH_ADDRESS and SETTLEPIPE_HEALTH_PORT: each process needs a port of its own"

# Is it good, and what is told of it? Good is a 200, else it is a 503. A text is told as it is.
Answer = tuple[bool, Mapping[str, object] | str]
Routes = Mapping[str, Callable[[], Answer]]


def serve(address: str, port: int, routes: Routes, *, threads: int = _THREADS, named: str = _NAMED) -> socket.socket:
    """Answer from now on, until the socket is closed. threads: for how many at once. named: what address and port are
    called in the settings. Raises SettingsError when nothing can listen there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(_WAITING)
    except OSError as error:
        listening.close()
        raise SettingsError(f"{address}:{port} can't be listened on ({error.strerror}); correct {named}") from None
    for number in range(threads):
        threading.Thread(target=_accept, args=(listening, routes), name=f"probes-{number}", daemon=True).start()
    return listening


def reached(address: str) -> str:
    """Where this machine reaches who listens on that address, as a URL has it."""
    with contextlib.suppress(ValueError):  # a name
        given = ipaddress.ip_address(address)
        if given.is_unspecified:
            address = "::1" if given.version == 6 else "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _accept(listening: socket.socket, routes: Routes) -> None:
    while listening.fileno() >= 0:
        try:
            connection, _ = listening.accept()
        except OSError:  # gone before it was taken, or no descriptor is left
            time.sleep(0.1)
            continue
        with connection, contextlib.suppress(OSError):
            line = _first_line(connection, time.monotonic() + REQUEST_S)
            written = _written(*_answered(line, routes), head=line.startswith("HEAD "))
            connection.settimeout(REQUEST_S)
            connection.sendall(written)


def _answered(line: str, routes: Routes) -> tuple[HTTPStatus, str]:
    try:
        return answer(line, routes)
    except Exception as error:  # the thread goes on: nobody would begin another one
        log.error("a request could not be answered", reason=type(error).__name__)
        return HTTPStatus.INTERNAL_SERVER_ERROR, "{}"


def answer(first_line: str, routes: Routes) -> tuple[HTTPStatus, str]:
    """The status and the JSON, or the text, for a request's first line."""
    words = first_line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return HTTPStatus.BAD_REQUEST, "{}"
    method, path = words[0], words[1].partition("?")[0]
    if path not in routes:
        return HTTPStatus.NOT_FOUND, json.dumps({"paths": sorted(routes)})
    if method not in ("GET", "HEAD"):
        return HTTPStatus.METHOD_NOT_ALLOWED, "{}"
    good, told = routes[path]()
    body = told if isinstance(told, str) else json.dumps(told)
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, body


def _first_line(connection: socket.socket, until: float) -> str:
    """The whole head is read, or who sent it would meet a reset in place of the answer; the first line counts."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < MAX_REQUEST_BYTES and time.monotonic() < until:
        connection.settimeout(max(0.01, until - time.monotonic()))
        part = connection.recv(MAX_REQUEST_BYTES - len(head))
        if not part:
            break
        head += part
    return head.partition(b"\r\n")[0].decode("latin-1")


def _written(status: HTTPStatus, body: str, *, head: bool) -> bytes:
    kind = "application/json" if body.startswith("{") else "text/plain; version=0.0.4; charset=utf-8"
    text = (body.rstrip("\n") + "\n").encode()
    lines = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(text)}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (b"" if head else text)
