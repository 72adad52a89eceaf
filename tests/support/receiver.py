"""A receiver of webhooks: a real server that verifies with the specification's own code, and answers as told."""

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.authority import Pair
from tests.support.patience import PATIENCE


@dataclass(frozen=True)
class Got:
    """A request that came. event: None where no signature was right."""

    event_id: str
    subject: str
    event: dict[str, Any]
    headers: dict[str, str]
    signatures: int
    body: bytes


# The status that an event gets, and more headers.
Answer = Callable[[Got], tuple[int, dict[str, str]]]


def yes(_: Got) -> tuple[int, dict[str, str]]:
    return 204, {}


@dataclass
class Receiver:
    """got: all that came with a right signature, in order of arrival; refused: how many came without one."""

    url: str
    secrets: list[str]
    answer: Answer = yes
    got: list[Got] = field(default_factory=list)
    taken: list[Got] = field(default_factory=list)
    refused: int = 0
    connections: int = 0

    def ids(self) -> list[str]:
        return [one.event_id for one in self.taken]

    def wait(self, count: int, within_s: float = 30) -> list[str]:
        """The ids of what was taken, once it is so many."""
        return list(waited(lambda: self.ids() if len(self.taken) >= count else [], within_s))


def waited(look: Callable[[], Any], within_s: float = 30) -> Any:
    """What `look` gives when it is something for the first time."""
    end = time.monotonic() + within_s * PATIENCE
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def verified(receiver: Receiver, headers: dict[str, str], body: bytes) -> bool:
    """Does one of its secrets say that this is ours?"""
    for secret in receiver.secrets:
        with contextlib.suppress(WebhookVerificationError):
            Webhook(secret).verify(body, headers)
            return True
    return False


@contextmanager
def receiving(answer: Answer = yes, pair: Pair | None = None, host: str = "127.0.0.1") -> Iterator[Receiver]:
    """A receiver on loopback. pair: over TLS with this certificate."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            receiver.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if not verified(receiver, headers, body):
                receiver.refused += 1
                self._say(401, {})
                return
            event = json.loads(body)
            signatures = len(headers["webhook-signature"].split(" "))
            got = Got(headers["webhook-id"], event["subject"], event, headers, signatures, body)
            receiver.got.append(got)
            status, more = receiver.answer(got)
            if 200 <= status <= 299:
                receiver.taken.append(got)
            self._say(status, more)

        def _say(self, status: int, more: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if pair is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if pair is None else "https"
    receiver = Receiver(f"{scheme}://{host}:{server.server_port}/hook", [], answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
