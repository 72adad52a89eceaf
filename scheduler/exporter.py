"""The process `metrics`: `GET /metrics`, in the form that Prometheus reads.

It is no part of the flow: it reads, never writes, and nothing waits for it. A server that does not answer makes a
number of the page 0 (`settlepipe_up`, `settlepipe_broker_up`), and no scrape hang.
"""

import threading
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cheroot.wsgi import Server
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from scheduler.gathered import Gathering
from shared import health, process
from shared.metrics.families import Sample, families
from shared.settings import SettingsError, load_settings
from shared.telemetry.logs import get_logger
from shared.telemetry.ready import announce_ready

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

log = get_logger(__name__)

PATH = "/metrics"
_TURN_S = 4.0  # one scrape at a time: another one waits so long for its turn
_THREADS, _WAITING, _IDLE_S, _MAX_HEADER_BYTES, _MAX_BODY_BYTES = 3, 8, 5, 8192, 1024


class _Page(Collector):
    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from families(self._samples)


def page(samples: list[Sample]) -> bytes:
    """The text of a scrape."""
    return bytes(generate_latest(_Page(samples)))


def application(gathering: Gathering) -> "WSGIApplication":
    """The WSGI app: 200 with the metrics, 503 while other scrapes take all the time."""
    turn = threading.Lock()

    def answer(environ: dict[str, Any]) -> tuple[HTTPStatus, bytes]:
        if environ["PATH_INFO"] != PATH:
            return HTTPStatus.NOT_FOUND, b""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED, b""
        if not turn.acquire(timeout=_TURN_S):
            return HTTPStatus.SERVICE_UNAVAILABLE, b""
        try:
            return HTTPStatus.OK, page(gathering.samples())
        finally:
            turn.release()

    def app(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        status, body = answer(environ)
        kind = CONTENT_TYPE_LATEST if status is HTTPStatus.OK else "text/plain"
        body = body or status.phrase.encode()
        start_response(f"{status.value} {status.phrase}", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    return app


def main() -> None:
    """Run until SIGTERM or SIGINT, whether the servers answer or not."""
    settings = load_settings()
    stop = process.start("metrics", settings)
    if settings.metrics_port is None:
        raise SettingsError("SETTLEPIPE_METRICS_PORT is not set; set it to the port that Prometheus scrapes")
    gathering = Gathering(settings, process.broker(settings))
    server = Server(
        (settings.metrics_address, settings.metrics_port),
        application(gathering),
        numthreads=_THREADS,
        server_name="settlepipe",
        request_queue_size=_WAITING,
        timeout=_IDLE_S,
        shutdown_timeout=_IDLE_S,
        accepted_queue_size=_WAITING,
        accepted_queue_timeout=0,
    )
    server.max_request_header_size, server.max_request_body_size = _MAX_HEADER_BYTES, _MAX_BODY_BYTES
    server.prepare()  # it listens from here on
    serving = threading.Thread(target=server.serve, name="serve", daemon=True)
    counting = threading.Thread(target=gathering.keep_counting, args=(stop,), name="counts", daemon=True)
    for thread in (serving, counting):
        thread.start()
    log.info("metrics are served", address=settings.metrics_address, port=server.bind_addr[1])
    announce_ready()  # whether the servers answer is what it tells
    health.started()
    while not stop.wait(1):
        health.turned()
        if not (serving.is_alive() and counting.is_alive()):
            raise RuntimeError("a thread ended by itself")
    server.stop()


if __name__ == "__main__":
    main()
