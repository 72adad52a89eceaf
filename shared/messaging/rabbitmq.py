"""Messages of lanes and jobs on RabbitMQ: each is confirmed, over connections that nothing else is written on.

Whoever waits for a confirmation reads what comes meanwhile: a connection that several threads write on would lose one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery
from kombu import pools
from kombu.exceptions import OperationalError
from kombu.transport.pyamqp import Transport

_ACQUIRE_S = 5
# A connection that RabbitMQ ended is found dead when it is used. A message that is there twice does no harm.
_ONCE_MORE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
_ERRORS = (*Transport.connection_errors, *Transport.channel_errors)


def holds_queues_of(app: Celery) -> bool:
    """Are this app's queues on RabbitMQ?"""
    return str(app.conf.broker_url).startswith("amqp")


def publish(app: Celery, queue: str, messages: Sequence[tuple[str, Any]], **options: Any) -> None:
    """Put (task name, its one argument) messages on a queue, one after the other. options: of `send_task`.

    Raises OperationalError: those from one on are not there, or one of them is and was not confirmed."""
    confirming = app.connection_for_write(transport_options={"confirm_publish": True})
    with _told(), pools.producers[confirming].acquire(block=True, timeout=_ACQUIRE_S) as producer:
        try:
            for task, argument in messages:
                how = {"queue": queue, "producer": producer, "retry": True, "retry_policy": _ONCE_MORE, **options}
                app.send_task(task, args=(argument,), **how)
        except Exception:
            producer.connection.collect()  # a confirmation that comes late must not be taken for the next one's
            raise


def queue_length(app: Celery, queue: str) -> int:
    """Messages that wait in a queue, which is made where there is none. Raises OperationalError."""

    def ask(channel: Any) -> int:
        return int(app.amqp.queues[queue](channel).queue_declare().message_count)

    with _told(), app.pool.acquire(block=True, timeout=_ACQUIRE_S) as connection:
        try:
            found: tuple[int, Any] = connection.autoretry(ask, **_ONCE_MORE)()
        except Exception:
            connection.collect()  # an answer that comes late must not be taken for another queue's
            raise
        return found[0]


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        raise OperationalError(type(error).__name__) from error
