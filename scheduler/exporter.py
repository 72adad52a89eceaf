"""The process `metrics`: `GET /metrics`, in the form that Prometheus reads.

It is no part of the flow: it reads, never writes, and nothing waits for it. A server that does not answer makes a
number of the page 0 (`settlepipe_up`, `settlepipe_broker_up`), and no scrape hang.
"""

import threading
from collections.abc import Callable, Iterator

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from scheduler.gathered import Gathering
from shared import health, process
from shared.health.server import Answer, serve
from shared.metrics.families import Sample, families
from shared.settings import SettingsError, load_settings
from shared.telemetry.logs import get_logger
from shared.telemetry.ready import announce_ready

log = get_logger(__name__)

PATH = "/metrics"
_TURN_S = 4.0  # one scrape at a time: another one waits so long for its turn
_THREADS = 3
_NAMED = "SETTLEPIPE_METRICS_ADDRESS and SETTLEPIPE_METRICS_PORT"


class _Page(Collector):
    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from families(self._samples)


def page(samples: list[Sample]) -> bytes:
    """The text of a scrape."""
    return bytes(generate_latest(_Page(samples)))


def scraped(gathering: Gathering) -> Callable[[], Answer]:
    """What a scrape is answered: the metrics, or a 503 while other scrapes take all the time."""
    turn = threading.Lock()

    def answer() -> Answer:
        if not turn.acquire(timeout=_TURN_S):
            return False, "other scrapes take all the time"
        try:
            return True, page(gathering.samples()).decode()
        finally:
            turn.release()

    return answer


def main() -> None:
    """Run until SIGTERM or SIGINT, whether the servers answer or not."""
    settings = load_settings()
    stop = process.start("metrics", settings)
    if settings.metrics_port is None:
        raise SettingsError("SETTLEPIPE_METRICS_PORT is not set; set it to the port that Prometheus scrapes")
    gathering = Gathering(settings, process.broker(settings))
    address, routes = settings.metrics_address, {PATH: scraped(gathering)}
    try:
        listening = serve(address, settings.metrics_port, routes, threads=_THREADS, named=_NAMED)
    except SettingsError as error:
        process.cannot_run(error)
    counting = threading.Thread(target=gathering.keep_counting, args=(stop,), name="counts", daemon=True)
    counting.start()
    log.info("metrics are served", address=address, port=listening.getsockname()[1])
    announce_ready()  # whether the servers answer is what it tells
    health.started()
    while not stop.wait(1):
        health.turned()
        if not counting.is_alive():
            raise RuntimeError("a thread ended by itself")


if __name__ == "__main__":
    main()
