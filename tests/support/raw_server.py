"""A server on 127.0.0.1 that does to a connection exactly what a test says, byte by byte."""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.patience import PATIENCE

Script = Callable[["Connection"], object]


@dataclass
class Connection:
    """One accepted connection. number: 1 for the server's first."""

    sock: socket.socket
    number: int
    server: "RawServer"
    buffered: bytes = b""

    def request(self) -> bytes | None:
        """Reads one whole request; None when the client has closed."""
        while b"\r\n\r\n" not in self.buffered:
            if not self._more():
                return None
        head, _, rest = self.buffered.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(rest) < length:
            if not self._more():
                return None
            rest = self.buffered.partition(b"\r\n\r\n")[2]
        self.buffered = rest[length:]
        whole = head + b"\r\n\r\n" + rest[:length]
        self.server.requests.append(whole)
        return whole

    def _more(self) -> bool:
        data = self.sock.recv(65_536)
        self.buffered += data
        return bool(data)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, every_s: float) -> None:
        """A byte at a time until the client goes away."""
        for index in range(len(data)):
            if self.server.stopped.wait(every_s):
                return
            self.sock.sendall(data[index : index + 1])

    def hang(self) -> None:
        """Says nothing until the client goes away or the test ends."""
        self.sock.settimeout(0.05)
        while not self.server.stopped.is_set():
            try:
                if not self.sock.recv(65_536):
                    return
            except TimeoutError:
                continue

    def reset(self) -> None:
        """Ends the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@dataclass
class RawServer:
    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)
    tls: bool = False

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def bodies(self) -> list[bytes]:
        return [request.partition(b"\r\n\r\n")[2] for request in self.requests]


def answer(status: int = 200, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP/1.1 answer with its length."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def then(*steps: Script) -> Script:
    """Does these to a connection, one after another."""

    def script(connection: Connection) -> None:
        for step in steps:
            step(connection)

    return script


def answering(*answers: bytes) -> Script:
    """Gives these whole answers, one a request over all connections; the last one again and again."""

    def script(connection: Connection) -> None:
        while connection.request() is not None:
            connection.send(answers[min(len(connection.server.requests), len(answers)) - 1])

    return script


@contextmanager
def raw_server(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Runs `script` for each connection in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    server = RawServer(listener.getsockname()[1], tls=tls is not None)
    open_sockets: list[socket.socket] = []

    def serve(sock: socket.socket, number: int) -> None:
        try:
            if tls is not None:
                sock = tls.wrap_socket(sock, server_side=True)
                open_sockets.append(sock)
            script(Connection(sock, number, server))
        except OSError:
            pass  # the client went away: for the test to judge on its side
        finally:
            sock.close()

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            open_sockets.append(sock)
            server.connections += 1
            threading.Thread(target=serve, args=(sock, server.connections), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        server.stopped.set()
        _shut(listener)
        for sock in open_sockets:
            _shut(sock)


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed by its own thread
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def wait_until(condition: Callable[[], bool], limit_s: float = 5) -> None:
    """Waits for what another thread brings about. Raises AssertionError long after `limit_s`."""
    ends = time.monotonic() + limit_s * PATIENCE
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.002)
