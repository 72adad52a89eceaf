"""How far the intake is behind, by the broker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis

from shared.messaging import intake_stream


@dataclass(frozen=True, slots=True)
class Lag:
    """An intake stream. entries: not accepted yet. pending: those of them that an intake has read."""

    stream: str
    entries: int
    pending: int


def lags(client: "redis.Redis", streams: Sequence[str]) -> list[Lag]:
    """Of each stream that the broker lets us see. Raises redis.ConnectionError or TimeoutError when it is away."""
    found = []
    for stream in streams:
        try:
            found.append(Lag(stream, int(client.xlen(stream)), intake_stream.pending(client, stream)))
        except redis.ResponseError:  # no stream, or no right to it: the intake tells of that
            continue
    return found


def oldest_s(client: "redis.Redis", stream: str) -> float:
    """Seconds since the oldest entry that is not accepted came, by the broker's clock; 0 where there is none. Raises
    redis.RedisError."""
    rows: Any = client.xrange(stream, count=1)
    if not rows:
        return 0.0
    seconds, micros = client.time()
    return max(0.0, seconds + micros / 1e6 - int(rows[0][0].partition(b"-")[0]) / 1000)
