"""Celery's consumer, with task events written in batches, by one thread.

Flower needs the events; writing each as it comes costs about a quarter of a worker's rate. RabbitMQ's client is not
made for several threads: two that write events at once would cut each other's messages.
"""

from celery.worker import consumer as celery_consumer

_FLUSH_EVERY_S = 0.1
_MOST_BUFFERED = 10_000  # Celery's 24 would have a task's own thread write them
_DELAYED = "celery.worker.consumer.delayed_delivery:DelayedDelivery"  # 28 queues for tasks with a countdown: none has


class Consumer(celery_consumer.Consumer):  # type: ignore[misc]
    """Writes buffered task events at most every 100 ms."""

    class Blueprint(celery_consumer.Consumer.Blueprint):  # type: ignore[misc]
        """Its steps."""

        default_steps = tuple(step for step in celery_consumer.Consumer.Blueprint.default_steps if step != _DELAYED)

    _flush_planned = False

    def on_send_event_buffered(self) -> None:
        """An event was buffered, in any thread: plan one flush, on the event loop's own thread."""
        if self.event_dispatcher is not None:
            self.event_dispatcher.buffer_limit = _MOST_BUFFERED
        if self.hub and not self._flush_planned:
            self._flush_planned = True
            self.hub.call_soon(self._plan)

    def _plan(self) -> None:
        self.hub.call_later(_FLUSH_EVERY_S, self._flush)

    def _flush(self) -> None:
        self._flush_planned = False
        self._flush_events()
