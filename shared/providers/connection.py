"""Connections with a deadline that is total and a record of whether any byte of the request went out.

The time-outs of requests and urllib3 hold for a single read: a server that drips a byte a second keeps a call for as
long as it likes. Here every wait of a call (DNS, TCP, TLS, each write, each read of headers and body) gets no more
than what is left of that call's deadline. A call belongs to its thread, and so does its connection: the call of the
moment is a thread-local, and no watchdog has to close sockets from outside.
"""

import contextlib
import io
import queue
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPResponse, IncompleteRead
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

# Counts the time that a suspended machine slept: what is overdue by then must not go out any more.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_RESOLVERS = threading.BoundedSemaphore(64)  # look-ups that hang in the system's resolver, at most


def now_s() -> float:
    """Seconds of a clock that never goes back and counts suspension where the system can."""
    return time.clock_gettime(_CLOCK)


class Call:
    """One call under way. written: a byte of its request may have left this process."""

    __slots__ = ("connect_timeout_s", "deadline_s", "written")

    def __init__(self, total_timeout_s: float, connect_timeout_s: float) -> None:
        self.deadline_s = now_s() + total_timeout_s
        self.connect_timeout_s = connect_timeout_s
        self.written = False

    def left_s(self) -> float:
        """Seconds left of the deadline. Raises TimeoutError when none are."""
        left = self.deadline_s - now_s()
        if left <= 0:
            raise TimeoutError("the call's deadline has passed")
        return left


class _Current(threading.local):
    call: Call


current = _Current()


class _TimedReader(io.RawIOBase):
    """Reads a socket; each read may take what is left of the call. ended: the server has closed its side."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)  # keeps the socket open for as long as this reader is
        self._call = current.call
        self._finished = False
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._finished:
            return 0
        self._sock.settimeout(self._call.left_s())
        count = self._sock.recv_into(buffer)
        self.ended = count == 0
        return count

    def finish(self, buffered: io.BufferedReader) -> None:
        """The answer is whole. A connection with more in it has lost step: it is ended, not used again."""
        self._finished = True
        if buffered.peek():
            with contextlib.suppress(OSError):  # already ended by the server
                self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _TimedFile:
    """What http.client's response needs of a socket."""

    def __init__(self, reader: _TimedReader) -> None:
        self._reader = reader

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        self._reader = _TimedReader(sock)
        super().__init__(_TimedFile(self._reader), *args, **kwargs)  # type: ignore[arg-type]

    def begin(self) -> None:
        super().begin()
        # http.client takes the end of the stream for the end of the headers: "HTTP/1.1 200 OK" and a broken
        # connection would be an empty 200.
        if self._reader.ended:
            raise IncompleteRead(b"")

    def _close_conn(self) -> None:
        self._reader.finish(self.fp)
        super()._close_conn()  # type: ignore[misc]


class _Timed:
    """The hooks into urllib3's connections."""

    response_class = _Response

    def _new_conn(self: Any) -> socket.socket:
        call = current.call
        ends_s = min(call.deadline_s, now_s() + call.connect_timeout_s)
        try:
            sock = _connect(self._dns_host, self.port, self.socket_options or (), ends_s)
            sock.settimeout(_until(ends_s))  # the TLS handshake's share
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "the connection was not made in time") from error
        except OSError as error:
            raise NewConnectionError(self, "the connection was not made") from error
        return sock

    def request(self: Any, *args: Any, **kwargs: Any) -> None:
        # Head and body are gathered and go out in one piece: one system call, and one place where writing begins.
        self.gathered: list[bytes] = []
        super().request(*args, **kwargs)  # type: ignore[misc]
        data = b"".join(self.gathered)
        self.gathered = []
        if self.sock is None:
            self.connect()
        call = current.call
        view = memoryview(data)
        while view:
            self.sock.settimeout(call.left_s())
            call.written = True
            view = view[self.sock.send(view) :]

    def send(self: Any, data: bytes) -> None:
        self.gathered.append(data)


class _PlainConnection(_Timed, HTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_Timed, HTTPSConnection):  # type: ignore[misc]
    pass


class PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _until(ends_s: float) -> float:
    left = ends_s - now_s()
    if left <= 0:
        raise TimeoutError("no connection in time")
    return left


def _connect(host: str, port: int, options: Any, ends_s: float) -> socket.socket:
    """A connected socket to the first address that answers. All addresses together have until `ends_s`."""
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in _resolve(host, port, ends_s):
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options:
                sock.setsockopt(*option)
            sock.settimeout(_until(ends_s))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure


def _resolve(host: str, port: int, ends_s: float) -> list[Any]:
    """getaddrinfo with a limit: the system's own takes as long as it likes, so a name is looked up in a thread."""
    try:
        return socket.getaddrinfo(host.strip("[]"), port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name
    if not _RESOLVERS.acquire(timeout=_until(ends_s)):
        raise TimeoutError("too many look-ups hang in the resolver")
    answer: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answer.put), name="resolve", daemon=True).start()
    try:
        found = answer.get(timeout=_until(ends_s))
    except queue.Empty:
        raise TimeoutError("the name was not resolved in time") from None
    if isinstance(found, OSError):
        raise found
    return found


def _look_up(host: str, port: int, put: Callable[[list[Any] | OSError], None]) -> None:
    try:
        put(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
    except OSError as error:
        put(error)
    except UnicodeError:
        put(socket.gaierror(socket.EAI_NONAME, "not a host name"))
    finally:
        _RESOLVERS.release()
