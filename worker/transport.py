"""kombu's Redis transport with one client a channel.

kombu makes a client for each command it sends; making one costs more than the command.
"""

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """A channel that keeps its blocking client (redis-py's clients are safe to share: the pool is behind them)."""

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
