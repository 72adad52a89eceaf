"""The connection to Redis or Valkey, with limits on every call; the doorbell."""

import contextlib

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

SOCKET_TIMEOUT_S = 5
CONNECT_TIMEOUT_S = 5
_BELL = "settlepipe:bell"
_BELL_KEPT = 16  # rings that nobody heard yet; more say nothing new


def connect(broker_url: str) -> "redis.Redis":
    """A client that fails fast: what to do when the broker is away is the caller's decision."""
    return redis.Redis.from_url(
        broker_url,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_keepalive=True,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 0),
    )


def ring(client: "redis.Redis") -> None:
    """Tell a dispatcher that there is work. Losing a ring costs at most one dispatch interval."""
    with contextlib.suppress(redis.RedisError):
        pipeline = client.pipeline(transaction=False)
        pipeline.lpush(_BELL, 1)
        pipeline.ltrim(_BELL, 0, _BELL_KEPT - 1)
        pipeline.execute()


def wait_for_ring(client: "redis.Redis", timeout_s: float) -> bool:
    """Wait until somebody rings, at most `timeout_s`. Raises redis.RedisError when the broker is away."""
    if client.brpop([_BELL], timeout=timeout_s) is None:
        return False
    client.delete(_BELL)  # the rings until now are answered by one look
    return True
