"""Connections with a deadline that is total and a record of whether any byte of the request went out.

The time-outs of requests and urllib3 hold for a single read: a server that drips a byte a second keeps a call for as
long as it likes. Here every wait of a call (DNS, TCP, TLS, each write, each read of headers and body) gets no more
than what is left of that call's deadline. A call belongs to its thread, and so does its connection: the call of the
moment is a thread-local, and no watchdog has to close sockets from outside.

Nothing is written to a socket on which there is anything to read: it would be taken for the answer. Rests on names of
http.client (3.11 to 3.13) and urllib3 2 that no document promises: `fp` and what else `_Response` sets; `_new_conn`,
`_dns_host`, `sock`, `response_class`, and that all of a request goes through `send`.
"""

import contextlib
import io
import os
import socket
import ssl
import threading
from collections.abc import Callable
from http.client import HTTPMessage, HTTPResponse
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from shared.providers import addresses, framing
from shared.providers.addresses import now_s

_PIECE_BYTES = 65_536
_LISTEN_S = 0.005  # to a new connection, before the first byte: who speaks first does so at once


class Call:
    """One call under way. written: a byte of its request may have left this process. connection: what it went on.

    allows: to which addresses it may go."""

    __slots__ = ("allows", "connect_timeout_s", "connection", "deadline_s", "written")

    def __init__(
        self, total_timeout_s: float, connect_timeout_s: float, allows: Callable[[str], bool] | None = None
    ) -> None:
        self.deadline_s = now_s() + total_timeout_s
        self.connect_timeout_s, self.allows = connect_timeout_s, allows
        self.written = False
        self.connection: HTTPConnection | None = None

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
    """Reads a socket; each read may take what is left of the call."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)  # keeps the socket open for as long as this reader is
        self._call = current.call
        self._finished = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._finished:
            return 0
        self._sock.settimeout(self._call.left_s())
        return self._sock.recv_into(buffer)

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
    """An answer as `framing` reads it. Of http.client it takes the form that its connection and urllib3 ask for."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        self._reader = _TimedReader(sock)
        super().__init__(_TimedFile(self._reader), *args, **kwargs)  # type: ignore[arg-type]

    def begin(self) -> None:
        head = framing.read_head(self.fp)
        self._body = framing.Body(self.fp, head)
        self.version, self.reason = 10 + head.minor_version, head.reason
        self.code = self.status = head.status
        self.headers = self.msg = HTTPMessage()
        for name, value in head.fields:
            self.headers[name] = value
        self.chunked, self.length, self.will_close = head.chunked, head.length, head.ends

    def read(self, amt: int | None = None) -> bytes:
        if amt is None or amt < 0:
            return b"".join(iter(lambda: self.read(_PIECE_BYTES), b""))
        if self.isclosed():
            return b""
        piece = self._body.read(amt)
        if self._body.done:
            self._reader.finish(self.fp)
            self.close()  # tells urllib3 that the connection is free
        return piece


class _Timed:
    """The hooks into urllib3's connections."""

    response_class = _Response
    used = False  # a byte was written to the socket of now

    def _new_conn(self: Any) -> socket.socket:
        call = current.call
        ends_s = min(call.deadline_s, now_s() + call.connect_timeout_s)
        try:
            sock = addresses.connect(self._dns_host, self.port, self.socket_options or (), ends_s, call.allows)
            sock.settimeout(addresses.until(ends_s))  # the TLS handshake's share
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "the connection was not made in time") from error
        except OSError as error:
            raise NewConnectionError(self, "the connection was not made") from error
        self.used = False
        return sock

    def request(self: Any, *args: Any, **kwargs: Any) -> None:
        # Head and body are gathered and go out in one piece: one system call, and one place where writing begins.
        self.gathered: list[bytes] = []
        super().request(*args, **kwargs)  # type: ignore[misc]
        data = b"".join(self.gathered)
        self.gathered = []
        call = current.call
        call.connection = self
        if self.used and self.sock is not None and not _quiet(self.sock):
            self.sock.close()  # the socket alone: http.client is in the middle of a request
            self.sock = None
        if self.sock is None:
            self.connect()
        if not self.used and not _quiet(self.sock, _LISTEN_S):
            raise ConnectionError("the server ended the connection, or spoke, before it was asked")
        try:
            self._write(memoryview(data), call)
        except ConnectionError as error:
            # Not as it is: urllib3 would go on to read what a server may have answered to half a request.
            raise ConnectionError("the connection broke under the request") from error

    def _write(self: Any, view: memoryview, call: Call) -> None:
        self.sock.settimeout(call.left_s())
        self.used = call.written = True
        view = view[self.sock.send(view[:_PIECE_BYTES]) :]
        while view:
            if not _quiet(self.sock):
                raise framing.Malformed("the answer began before the whole request was written")
            self.sock.settimeout(call.left_s())
            view = view[self.sock.send(view[:_PIECE_BYTES]) :]

    def send(self: Any, data: bytes) -> None:
        self.gathered.append(data)


def _quiet(sock: socket.socket, wait_s: float = 0.0) -> bool:
    """Is nothing there to be read, neither a byte nor the end? A byte that is there is taken: no use of the socket is
    right after that. Over TLS only what was sent under it counts, not its own records (session tickets)."""
    sock.settimeout(wait_s)
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError, TimeoutError):
        return True
    except OSError:
        return False
    return False


class _PlainConnection(_Timed, HTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_Timed, HTTPSConnection):  # type: ignore[misc]
    pass


class PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def verifying(authorities: str) -> ssl.SSLContext:
    """What connections verify servers by: a file of authorities, or a folder. Thread-safe. Raises OSError."""
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    if os.path.isdir(authorities):
        context.load_verify_locations(capath=authorities)
    else:
        context.load_verify_locations(cafile=authorities)
    return context
