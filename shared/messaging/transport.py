"""kombu's transports, with one client a channel, with places for messages that are never lost, and with TLS verified.

kombu makes a client for each command it sends; making one costs more than the command.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, pyamqp, redis

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


class _Kept:
    """A channel that keeps its blocking client (redis-py's clients are safe to share: the pool is behind them), and
    that never goes over TLS without verifying whom it talks to."""

    QoS = QoS
    _kept_client: Any = None
    connection: Any
    global_keyprefix: str

    def _create_client(self, asynchronous: bool = False) -> Any:
        made: Any = super()
        if asynchronous:
            return made._create_client(asynchronous=True)
        if self._kept_client is None:
            self._kept_client = made._create_client()
        return self._kept_client

    def _has_queue(self, queue: str, **more: Any) -> bool:
        """Is there a message on it? kombu asks with EXISTS, and puts no prefix of keys before that one's."""
        made: Any = super()
        return bool(made._size(queue) if self.global_keyprefix else made._has_queue(queue, **more))

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        made: Any = super()
        found: dict[str, Any] = made._connparams(asynchronous)
        if self.connection.client.ssl:  # kombu makes CERT_NONE of a `rediss` without more
            found.update(ssl_cert_reqs="required", ssl_check_hostname=True)
        return found


class Channel(_Kept, redis.Channel):
    """Of Redis or Valkey."""


class Transport(redis.Transport):
    """The transport with that channel."""

    Channel = Channel


class SentinelChannel(_Kept, redis.SentinelChannel):
    """Of what Sentinel says is the master."""


class SentinelTransport(redis.SentinelTransport):
    """The same behind Sentinel."""

    Channel = SentinelChannel


class AmqpsTransport(pyamqp.SSLTransport):
    """RabbitMQ over TLS: each host has to show a certificate of its own name.

    kombu remembers the first host's name for those that it turns to after it.
    """

    def establish_connection(self) -> Any:
        """Raises what the connection does."""
        client: Any = self.client
        given = client.ssl if isinstance(client.ssl, dict) else {}
        client.ssl = {**given, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}
        made: Any = super().establish_connection()  # type: ignore[no-untyped-call]
        # amqp's own limit is the socket's SO_RCVTIMEO, which Python's TLS overlooks: it would wait for ever.
        made.transport.sock.settimeout(client.transport_options.get("read_timeout"))
        return made


def register() -> None:
    """Have kombu take these for their schemes. By name alone it would forget them when it turns to another host, and
    Flower tells the broker by the scheme."""
    aliases = {"redis": Transport, "rediss": Transport, "sentinel": SentinelTransport, "amqps": AmqpsTransport}
    TRANSPORT_ALIASES.update({scheme: f"{__name__}:{found.__name__}" for scheme, found in aliases.items()})
