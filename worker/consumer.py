"""Celery's consumer, with task events written in batches.

Flower needs the events; writing each as it comes costs about a quarter of a worker's rate.
"""

from celery.worker import consumer as celery_consumer

_FLUSH_EVERY_S = 0.1


class Consumer(celery_consumer.Consumer):  # type: ignore[misc]
    """Writes buffered task events at most every 100 ms."""

    _flush_planned = False

    def on_send_event_buffered(self) -> None:
        """An event was buffered, in any thread: plan one flush, on the event loop's own thread."""
        if self.hub and not self._flush_planned:
            self._flush_planned = True
            self.hub.call_soon(self._plan)

    def _plan(self) -> None:
        self.hub.call_later(_FLUSH_EVERY_S, self._flush)

    def _flush(self) -> None:
        self._flush_planned = False
        self._flush_events()
