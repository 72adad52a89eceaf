"""The connection to Redis or Valkey, with limits on every call; the doorbell."""

import contextlib
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.settings import SettingsError

SOCKET_TIMEOUT_S = 5
CONNECT_TIMEOUT_S = 5
_BELL = "settlepipe:bell"
_BELL_KEPT = 16  # rings that nobody heard yet; more say nothing new


def connect(broker_url: str) -> "redis.Redis":
    """A client that fails fast: what to do when the broker is away is the caller's decision. Raises SettingsError for
    what is no broker's URL."""
    try:
        return redis.Redis.from_url(
            broker_url,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_keepalive=True,
            health_check_interval=30,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:  # its text may show the password
        raise SettingsError(
            "SETTLEPIPE_BROKER_URL is not a broker's URL; write redis://default:password@host:port/0"
        ) from None


def ring(client: "redis.Redis") -> None:
    """Tell a dispatcher that there is work. Losing a ring costs at most one dispatch interval."""
    with contextlib.suppress(redis.RedisError):
        pipeline = client.pipeline(transaction=False)
        pipeline.lpush(_BELL, 1)
        pipeline.ltrim(_BELL, 0, _BELL_KEPT - 1)
        pipeline.execute()


def wait_for_ring(client: "redis.Redis", timeout_s: float) -> bool:
    """Wait until somebody rings, at most `timeout_s`, and no longer than half of what an answer may take.

    Raises redis.RedisError when the broker is away, or refuses (another kind of value, no right to the key).
    """
    if client.brpop([_BELL], timeout=min(timeout_s, SOCKET_TIMEOUT_S / 2)) is None:
        return False
    client.delete(_BELL)  # the rings until now are answered by one look
    return True


@dataclass(frozen=True, slots=True)
class Memory:
    """How full the broker is. limit_bytes: its maxmemory, or where it has none the machine's."""

    used_bytes: int
    limit_bytes: int

    @property
    def share(self) -> float:
        """1: full."""
        return self.used_bytes / self.limit_bytes


def memory(client: "redis.Redis") -> Memory | None:
    """None where the broker knows no limit. Raises redis.RedisError."""
    told = client.info("memory")
    assert isinstance(told, dict)  # noqa: S101 - what redis-py makes of INFO
    limit = int(told.get("maxmemory") or told.get("total_system_memory") or 0)
    return Memory(int(told.get("used_memory", 0)), limit) if limit else None
