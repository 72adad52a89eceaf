"""The connection to Redis or Valkey, with limits on every call; the doorbell."""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass

import redis

from shared.domain import broker_keys
from shared.messaging import links
from shared.settings import SettingsError, broker_address
from shared.settings.sections import BrokerTlsSettings as Tls

SOCKET_TIMEOUT_S = links.SOCKET_TIMEOUT_S
_BELL = broker_keys.BELL
_BELL_KEPT = 1000  # rings that nobody heard yet
_ALL = "*"  # no lane's name
_VERIFIED = Tls()


def connect(broker_url: str, tls: Tls = _VERIFIED, prefix: str = "") -> "redis.Redis":
    """A client that fails fast: what to do when the broker is away is the caller's decision. prefix: stands before each
    key, and nobody who has the client sees it. Raises SettingsError for what is no broker's URL, and for files of TLS
    that can't be read."""
    try:
        return links.client(broker_address.read(broker_url), tls, prefix)
    except broker_address.BadAddress as error:
        raise SettingsError(f"SETTLEPIPE_BROKER_URL {error}") from None


def must_be_usable(client: "redis.Redis") -> None:
    """Raises SettingsError where the server is a node of a Cluster, whatever its URL says. One that does not answer, or
    does not let us ask, is not judged."""
    try:
        told = client.info("cluster")
    except redis.RedisError:
        return
    assert isinstance(told, dict)  # noqa: S101 - what redis-py makes of INFO
    if int(told.get("cluster_enabled") or 0):
        raise SettingsError(f"SETTLEPIPE_BROKER_URL {broker_address.CLUSTER}")


def ring(client: "redis.Redis", lanes: Collection[str] = (_ALL,)) -> None:
    """Tell a dispatcher that there is work in these lanes; where none is named, in any. Losing a ring costs at most one
    dispatch interval."""
    with contextlib.suppress(redis.RedisError):
        pipeline = client.pipeline(transaction=False)
        pipeline.lpush(_BELL, *lanes)
        pipeline.ltrim(_BELL, 0, _BELL_KEPT - 1)
        pipeline.execute()


def wait_for_ring(client: "redis.Redis", timeout_s: float) -> set[str]:
    """Wait until somebody rings, at most `timeout_s` (more than 0), and no longer than half of what an answer may take.
    For which lanes all rang until now; a name that is no lane's means any. Empty: nobody did.

    Raises redis.RedisError when the broker is away, or refuses (another kind of value, no right to the key).
    """
    rung = client.brpop([_BELL], timeout=min(timeout_s, SOCKET_TIMEOUT_S / 2))
    if rung is None:
        return set()
    pipeline = client.pipeline()
    pipeline.lrange(_BELL, 0, -1)
    pipeline.delete(_BELL)
    more, _ = pipeline.execute()
    return {name.decode(errors="replace") for name in (rung[1], *more)}


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
