"""The Celery app of the lanes' workers. Each process has one runtime, and one set of sender threads for each lane."""

import dataclasses
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from shared import celery_process, process, reload, stopping
from shared.messaging import broker
from shared.messaging.celery_stop import stop_step
from shared.messaging.queues import lane_of
from shared.payments import dispatch
from shared.payments.recorder import Recorder
from shared.runtime import ClaimGate, Runtime
from shared.settings import load_settings
from shared.start import start
from shared.telemetry import celery_logs
from shared.telemetry.logs import get_logger
from worker.held import Held, Message
from worker.lots import Named, Pace, Sending
from worker.once import once
from worker.senders import spread

log = get_logger(__name__)

settings = load_settings()
celery_logs.connect(settings)
app = process.celery(settings)
app.conf.imports = ("worker.tasks",)
app.conf.worker_consumer = "shared.messaging.celery_consumer:Consumer"

# Each sender thread borrows a connection for two short statements a payment; most of its time is the provider's.
_POOL_SIZE = 8


@once
def runtime() -> Runtime:
    """This process's runtime, connected before it consumes."""
    found = start(settings, sends=True, pool_size=_POOL_SIZE, lanes_served=_served())
    return dataclasses.replace(found, gate=_gate)


@once
def _reload() -> reload.Reload:
    return reload.Reload(runtime())


def _served() -> list[str]:
    """The lanes whose queues this worker consumes."""
    return sorted(lane_of(queue) for queue in app.amqp.queues.consume_from)


celery_process.prepare(app, "worker", settings, runtime)


@once
def _senders() -> Mapping[str, ThreadPoolExecutor]:
    # Their threads are made when they are needed, so a lane that this process doesn't serve has none.
    return {
        name: ThreadPoolExecutor(settings.provider(name).concurrency, thread_name_prefix=f"sender-{name}")
        for name in runtime().lanes
    }


@once
def _sender_of_no_lane() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="sender")


def senders(queue: str) -> ThreadPoolExecutor:
    """This process's sender threads of the lane with this queue: CONCURRENCY, whatever Celery's `-c` is."""
    return _senders().get(lane_of(queue)) or _sender_of_no_lane()


@once
def _bell() -> Any:
    return process.broker(settings)


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
    names, lane = _payments(named), lane_of(queue)
    sending = Sending(runtime(), lane, names, recorder().put, _paces().get(lane) or Pace(1))
    with _held.message(Message(names)) as message:
        failures = spread(senders(queue), sending.do, sending.lots(), len(names), message.helped.append)
        ends: list[Callable[[], None]] = [*sending.later, partial(_leave, lane, sending.left)]
        for end in ends:
            try:
                end()
            except Exception as error:
                failures.append(error)
    broker.ring(_bell(), [lane])
    if failures:
        raise failures[0]


def _leave(lane: str, names: Sequence[Named]) -> None:
    """Have what was not begun dispatched again once the lane runs. Where that fails, its leases run out."""
    if names:
        back, _ = dispatch.give_back(runtime(), names, ())
        log.info("the lane stands still; what was not begun is given back", provider=lane, payments=back)


def each(
    verb: Callable[..., object], queue: str, named: Sequence[list[Any] | int], *, follow_ups: bool = False
) -> None:
    """Run a verb for each of what a message of this lane's queue names, in the sender threads; return when all have an
    outcome, then ring for more work.

    named: ids, or pairs of an id and a reference (as JSON gives them back). follow_ups: they are ids of follow-ups.
    A defect in one's flow is raised after the others are done (Celery logs it; the lease recovers the payment).
    """

    def do(name: Any) -> Sequence[Any]:
        verb(runtime(), *name)
        return ()

    names = [(name,) if isinstance(name, int) else tuple(name) for name in named]
    ids = [name[0] for name in names]
    with _held.message(Message(follow_ups=ids) if follow_ups else Message(_payments(named))) as message:
        failures = spread(senders(queue), do, names, len(names), message.helped.append)
    broker.ring(_bell(), [lane_of(queue)])
    if failures:
        raise failures[0]


def _payments(named: Sequence[list[Any] | int]) -> list[tuple[int, str | None]]:
    return [(name, None) if isinstance(name, int) else (name[0], name[1]) for name in named]


def _give_back(payments: Sequence[tuple[int, str | None]], follow_ups: Sequence[int]) -> None:
    back, following = dispatch.give_back(runtime(), payments, follow_ups)
    log.info("this process stops; what it had not begun is given back", payments=back, follow_ups=following)


_gate = ClaimGate()
_held = Held(_gate, _give_back, lambda: broker.ring(_bell(), _served()), lambda: runtime().lost.empty)


def _bounded(_worker: Any) -> Callable[[], None]:
    within_s = settings.http.total_timeout_s + stopping.LANE_S
    reload.hears(lambda: _reload().now())  # in place of Celery, which would restart this process
    signals = (*stopping.STOPS, signal.SIGQUIT)
    return stopping.bounded(within_s, at_once=_gate.end, then=_held.end, signals=signals)


app.steps["worker"].add(stop_step(_bounded, leaves=_held.wait))
