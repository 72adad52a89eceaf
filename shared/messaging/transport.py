"""kombu's Redis transport, with one client a channel, and with places for messages that are never lost.

kombu makes a client for each command it sends; making one costs more than the command.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import redis

NAME = f"{__name__}:Transport"


class QoS(redis.QoS):
    """Counts a message as done, whether or not the broker could be told.

    Who may have eight messages at once, and could not acknowledge eight of them while the broker was away, would never
    get another one: kombu gives their places back only after the broker has answered. A message that the broker takes
    for undone comes again after the visibility timeout, and finds its payment claimed.
    """

    def ack(self, delivery_tag: str) -> None:
        """Raises what the broker's absence raises."""
        with self._counted(delivery_tag):
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """The same."""
        with self._counted(delivery_tag):
            super().reject(delivery_tag, requeue)  # type: ignore[no-untyped-call]

    @contextmanager
    def _counted(self, delivery_tag: str) -> Iterator[None]:
        try:
            yield
        except Exception:
            self._quick_ack(delivery_tag)
            raise


class Channel(redis.Channel):
    """A channel that keeps its blocking client (redis-py's clients are safe to share: the pool is behind them)."""

    QoS = QoS
    _kept_client: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[no-untyped-call]
        if self._kept_client is None:
            self._kept_client = super()._create_client()  # type: ignore[no-untyped-call]
        return self._kept_client


class Transport(redis.Transport):
    """The transport with that channel."""

    Channel = Channel
