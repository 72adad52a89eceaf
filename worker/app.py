"""The Celery app of the lanes' workers, with one runtime and one set of sender threads in each process."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shared import process
from shared.messaging import broker, transport
from shared.messaging.tasks import celery_app, lane_of
from shared.payments.recorder import Recorder
from shared.runtime import Runtime
from shared.settings import load_settings
from shared.start import start
from shared.telemetry import celery_logs
from shared.telemetry.ready import announce_when_celery_is_up
from worker.lots import Pace, Sending
from worker.once import once
from worker.senders import spread

settings = load_settings()
celery_logs.connect(settings)
announce_when_celery_is_up()
app = celery_app(process.broker_url(settings))
app.conf.imports = ("worker.tasks",)
app.conf.worker_consumer = "worker.consumer:Consumer"
app.conf.broker_transport = transport.NAME

# Each sender thread borrows a connection for two short statements a payment; most of its time is the provider's.
_POOL_SIZE = 8


@once
def runtime() -> Runtime:
    """This process's runtime, connected at first use."""
    return start(settings, sends=True, pool_size=_POOL_SIZE, lanes_served=_served())


def _served() -> list[str]:
    """The lanes whose queues this worker consumes."""
    return sorted(lane_of(queue) for queue in app.amqp.queues.consume_from)


@once
def senders() -> ThreadPoolExecutor:
    """This process's sender threads: as many as the largest CONCURRENCY of the lanes that are on."""
    threads = max((settings.provider(name).concurrency for name in runtime().lanes), default=1)
    return ThreadPoolExecutor(threads, thread_name_prefix="sender")


@once
def _bell() -> Any:
    return broker.connect(app.conf.broker_url)


@once
def recorder() -> Recorder:
    """This process's one writer of what has succeeded."""
    return Recorder(runtime())


@once
def _paces() -> Mapping[str, Pace]:
    return {name: Pace(settings.provider(name).lot if _holds_lots(name) else 1) for name in runtime().lanes}


def _holds_lots(provider: str) -> bool:
    rules = runtime().registrations[provider].operations.values()
    return any(rule.resend_safe and not rule.reads_first for rule in rules)


def send_each(queue: str, named: Sequence[list[Any] | int]) -> None:
    """Send the payments that a message of this lane's queue names, in lots; otherwise like `each`."""
    names = [(name, None) if isinstance(name, int) else (name[0], name[1]) for name in named]
    sending = Sending(runtime(), recorder().put, _paces().get(lane_of(queue)) or Pace(1))
    failures = spread(senders(), sending.do, sending.items(names), len(names))
    for written in sending.later:
        try:
            written()
        except Exception as error:
            failures.append(error)
    broker.ring(_bell())
    if failures:
        raise failures[0]


def each(verb: Callable[..., object], named: Sequence[list[Any] | int]) -> None:
    """Run a verb for each of what a message names, in the sender threads; return when all have an outcome, then ring
    for more work.

    named: ids, or pairs of an id and a reference (as JSON gives them back). A defect in one's flow is raised after the
    others are done (Celery logs it; the lease recovers the payment).
    """

    def do(name: Any) -> Sequence[Any]:
        verb(runtime(), *name)
        return ()

    names = [(name,) if isinstance(name, int) else tuple(name) for name in named]
    failures = spread(senders(), do, names, len(names))
    broker.ring(_bell())
    if failures:
        raise failures[0]
