"""A port that speaks TLS in front of one that does not: the embedded servers are built without it.

It wants a certificate of each client, and remembers what each brought.
"""

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.authority import Authority, Pair

_PIECE_BYTES = 65_536
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # PostgreSQL's protocol, "SSLRequest"
_QUIET_S = 60


@dataclass
class Link:
    """port: where TLS is spoken. refused: why clients were turned away, by the class of ssl's error."""

    port: int
    let_in: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def spoke_tls(self) -> bool:
        """Did somebody who was turned away come, and nobody with plain text?"""
        plain = any("WRONG_VERSION" in reason or "HTTP_REQUEST" in reason for reason in self.refused)
        return bool(self.refused) and not plain


@contextmanager
def tls_link(to_port: int, authority: Authority, server: Pair, *, postgres: bool = False) -> Iterator[Link]:
    """In front of this port of 127.0.0.1, until the block ends. postgres: its clients ask before they speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert, server.key)
    context.load_verify_locations(authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # with 1.3 a client hears of its refusal after its handshake

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(_QUIET_S)
            try:
                if postgres:
                    if (asked := self.request.recv(len(_SSL_REQUEST), socket.MSG_WAITALL)) != _SSL_REQUEST:
                        link.refused.append(f"WRONG_VERSION: {asked!r}")
                        return
                    self.request.sendall(b"S")
                inside = context.wrap_socket(self.request, server_side=True)
            except OSError as error:
                link.refused.append(str(error))
                return
            link.let_in += 1
            with inside, socket.create_connection(("127.0.0.1", to_port), _QUIET_S) as outside:
                _carry(inside, outside)

    class Listening(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Listening(("127.0.0.1", 0), Handler) as listening:
        link = Link(listening.server_address[1])
        threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield link
        finally:
            listening.shutdown()


def _carry(inside: ssl.SSLSocket, outside: socket.socket) -> None:
    """Both ways, until either ends. In one thread: OpenSSL does not let two use a connection at once."""
    with contextlib.suppress(OSError):
        while ready := [inside] if inside.pending() else select.select([inside, outside], [], [], _QUIET_S)[0]:
            for there, here in ((inside, outside), (outside, inside)):
                if there not in ready:
                    continue
                piece = there.recv(_PIECE_BYTES)
                if not piece:
                    return
                here.sendall(piece)
