"""The HTTP server that callbacks come to: few threads, and nobody from outside can hold one for long.

cheroot's own limits hold for a single read, and its TLS handshake is made in the thread that accepts connections: a
client that says nothing, or a byte a second, would keep everybody else waiting. Here the handshake is made in the
connection's own thread, and a connection's whole request has one deadline.
"""

import contextlib
import math
import socket
import ssl
import sys
import threading
from typing import TYPE_CHECKING, Any

from cheroot.server import HTTPConnection
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from shared.settings import SettingsError
from shared.settings.sections import UbillSettings
from shared.telemetry.logs import get_logger

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = get_logger(__name__)

THREADS = 8
REQUEST_S = 10.0  # for the handshake, the request and the answer together
IDLE_S = 5  # a connection that says nothing
WAITING = 64  # connections that wait for a thread; the next one is turned away
MAX_HEADER_BYTES = 8192  # the request's line and headers
MAX_BODY_BYTES = 1024  # a GET has none


def callback_server(settings: UbillSettings, app: "WSGIApplication") -> "CallbackServer":
    """The server, not yet listening (`prepare`, `serve`, `stop`). Raises SettingsError for a bad certificate."""
    server = CallbackServer(
        (settings.callback_host, settings.callback_port),
        app,
        numthreads=THREADS,
        server_name="settlepipe",
        request_queue_size=WAITING,
        timeout=IDLE_S,
        shutdown_timeout=math.ceil(REQUEST_S),
        accepted_queue_size=WAITING,
        accepted_queue_timeout=0,
    )
    server.max_request_header_size, server.max_request_body_size = MAX_HEADER_BYTES, MAX_BODY_BYTES
    server.ConnectionClass = _Connection
    if settings.callback_cert_file is not None:
        try:
            server.ssl_adapter = _Tls(str(settings.callback_cert_file), str(settings.callback_cert_key_file))
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                "SETTLEPIPE_UBILL__CALLBACK_CERT_FILE and …_CERT_KEY_FILE can't be used as a certificate and its key:"
                f" {type(error).__name__}; both must be readable PEM files that fit each other"
            ) from None
    return server


class CallbackServer(Server):
    """cheroot's, with its own complaints logged without their texts: those may hold a request."""

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        error: Any = sys.exc_info()[1]
        log.info("the callback's server could not serve a connection", reason=type(error).__name__ if error else None)


class _Tls(BuiltinSSLAdapter):
    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        """The handshake waits for the connection's own thread."""
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


class _Connection(HTTPConnection):
    def communicate(self) -> bool:
        """Answer one request, in REQUEST_S at most. True: the connection is kept for another one."""
        end = threading.Timer(REQUEST_S, self._end)
        end.daemon = True
        end.start()
        try:
            if isinstance(self.socket, ssl.SSLSocket) and self.socket.version() is None:
                self.socket.do_handshake()
            return bool(super().communicate())  # type: ignore[no-untyped-call]
        except OSError:  # no TLS, or gone
            return False
        finally:
            end.cancel()

    def _end(self) -> None:
        with contextlib.suppress(OSError):  # wakes the thread that reads it; TLS or not
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
