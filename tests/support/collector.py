"""A collector of OpenTelemetry's: it takes spans over HTTP, and keeps them."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Told:
    """A span as it came. above: the id of what it stands below. at: nanoseconds of the epoch, begin and end."""

    process: str
    trace: str
    id: str
    above: str
    name: str
    at: tuple[int, int]
    attributes: dict[str, Any]
    failed: bool


@dataclass
class Collector:
    url: str
    spans: list[Told] = field(default_factory=list)

    def of(self, trace: str) -> list[Told]:
        """This trace's spans, the first to begin first."""
        return sorted((span for span in list(self.spans) if span.trace == trace), key=lambda span: span.at)


@contextmanager
def collector() -> Iterator[Collector]:
    """One on loopback."""
    made = Collector("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            made.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _spans(request: Any) -> Iterator[Told]:
    for resource in request.resource_spans:
        process = _plain(resource.resource.attributes).get("settlepipe.process", "")
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Told(
                    process,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    (span.start_time_unix_nano, span.end_time_unix_nano),
                    _plain(span.attributes),
                    span.status.code == 2,
                )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
