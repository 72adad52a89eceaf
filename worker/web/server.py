"""uvicorn with limits of its own: whoever says nothing, a byte a second, too much or reads no answer is ended in time.

uvicorn bounds the time between two requests of a connection and nothing else. Here a request's head has a time and a
size, each part of an answer a time to be taken, and there are so many connections and no more.
"""

import asyncio
import functools
import resource
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shared.settings import SettingsError
from shared.telemetry.logs import get_logger
from worker.web import counts
from worker.web.parser import Parser
from worker.web.problems import Fault, Problem

log = get_logger(__name__)

HEAD_S = 10.0  # for a TLS handshake, and for a request's line and headers, from the beginning or the answer before
MAX_HEAD_BYTES = 16 * 1024
TAKEN_S = 10.0  # for a part of an answer to be taken by who asked
STOP_S = 5.0  # what is under way may take so long when the process is asked to stop
BACKLOG = 256
FILES = 256  # open at most beside the connections: to PostgreSQL, the broker, logs, the loop's own
PIPELINED = 16  # requests of a connection that wait for an answer before theirs


def room(connections: int) -> int:
    """For how many connections there is room, up to so many: the process's limit on open files is raised for them as
    far as that may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):  # some systems have another bound beside the hard one
            wanted = soft
    return max(1, min(connections, wanted - FILES))


def server(
    connections: int,
    app: ASGIApp,
    cert_file: Path | None,
    key_file: Path | None,
    cert_named: str,
    *,
    trusted_proxies: Sequence[str] = (),
) -> uvicorn.Server:
    """The server, not yet running. cert_named: what both files are called in the settings. trusted_proxies: addresses
    and networks whose X-Forwarded-For is believed. Raises SettingsError."""
    most = room(connections)
    if most < connections:
        log.warning("the limit on open files leaves room for fewer connections; raise it (LimitNOFILE)", most=most)

    def connection(**given: Any) -> Connection:
        return Connection(most, **given)

    config = uvicorn.Config(
        app,
        http=connection,  # type: ignore[arg-type]  # called as the class would be
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),  # None would be what FORWARDED_ALLOW_IPS says
        timeout_keep_alive=int(HEAD_S),
        timeout_graceful_shutdown=int(STOP_S),
        ssl_certfile=cert_file,
        ssl_keyfile=key_file,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"{cert_named} can't be used as a certificate and its key: {type(error).__name__};"
            " both must be readable PEM files that fit each other"
        ) from None
    return _Server(config)


class _Server(uvicorn.Server):
    """uvicorn's, with a bound on a TLS handshake: asyncio's own is a minute."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        assert sockets is not None  # noqa: S101 - it is given one that listens
        loop, config = asyncio.get_running_loop(), self.config
        protocol: Any = config.http_protocol_class
        make = functools.partial(protocol, config=config, server_state=self.server_state, app_state=self.lifespan.state)
        bound_s = None if config.ssl is None else HEAD_S
        self.servers: list[asyncio.base_events.Server] = [
            await loop.create_server(
                make, sock=one, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=bound_s
            )
            for one in sockets
        ]
        self.started = True


class Connection(HttpToolsProtocol):
    """One connection."""

    def __init__(self, most: int, **given: Any) -> None:
        super().__init__(**given)
        self.parser = Parser(self)  # type: ignore[assignment]  # called as the class would be
        self._most = most
        self._inner: ASGIApp = self.app
        self.app = self._bounded
        self._timer: asyncio.TimerHandle | None = None
        self._in_head, self._head_bytes = True, 0
        self.url = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._most:
            log.warning("there are too many connections; a new one is ended", most=self._most)
            counts.refused("connections")
            transport.abort()
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are nobody's, and have no end
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # it comes again, without the offer
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refuse_head()
            raise ValueError("too large, though it came at once")  # ends the parser, too
        if len(self.pipeline) >= PIPELINED:
            self.transport.abort()
            raise ValueError("too many requests that wait for an answer")  # ends the parser, too
        self._in_head, self._head_bytes = False, 0
        self._forget_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(Problem(Fault.NOT_HTTP))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():  # what is left of the answer has to be taken
            self._forget_timer()
            self._timer = self.loop.call_later(TAKEN_S, self.transport.abort)
        elif self.cycle.response_complete:  # else one that came meanwhile is answered now
            self._await_head()

    def _await_head(self) -> None:
        self._forget_timer()
        self._timer = self.loop.call_later(HEAD_S, self._late)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if not self.transport.is_closing():
            if self._head_bytes:  # else it only was idle
                counts.refused("head_late")
            self.transport.abort()

    def _refuse_head(self) -> None:
        long = len(self.url) > MAX_HEAD_BYTES / 2
        self._refuse(Problem(Fault.ADDRESS_TOO_LONG if long else Fault.HEAD_TOO_LARGE))

    def _refuse(self, problem: Problem) -> None:
        """Answer without the app, and end the connection."""
        if self.transport.is_closing():
            return
        response = problem.response()
        lines = [f"HTTP/1.1 {problem.status} {problem.document['code']}".encode()]
        lines += [name + b": " + value for name, value in response.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", bytes(response.body)]))
        self.transport.close()

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The app, with a bound on how long each part of its answer takes, and without its errors' texts: those may
        hold a request."""
        started = ended = False

        async def sent(message: Message) -> None:
            nonlocal started, ended
            started, ended = True, message["type"] == "http.response.body" and not message.get("more_body", False)
            try:
                async with asyncio.timeout(TAKEN_S):
                    await send(message)
            except TimeoutError:
                log.info("an answer was not taken in time; the connection is ended")
                counts.refused("answer_late")
                self.transport.abort()

        try:
            await self._inner(scope, receive, sent)
        except Exception as error:
            log.error("a request met a mistake in settlepipe", reason=type(error).__name__)
            if started and not ended:
                self.transport.abort()
            elif not started:
                await Problem(Fault.DEFECT).response()(scope, receive, sent)
