"""How the broker stands, as it is judged: how full it is, and since when its intake streams wait."""

from collections.abc import Sequence

import redis

from scheduler.apart import told
from shared.alerts.judge import Broker
from shared.messaging import broker
from shared.metrics import streams
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

_FULL, _ROOM = 0.8, 0.75  # shares of its memory: it counts as nearly full from one on, and until below the other


class Looking:
    """Kept for the life of the process. While the broker does not answer, what it said last counts."""

    def __init__(self, client: "redis.Redis", streams: Sequence[str]) -> None:
        self._client, self._streams = client, streams
        self._last, self._blind = Broker(), False

    def look(self, full: bool) -> Broker:
        """full: it counts as nearly full now, by whoever judged last. Raises nothing: that the broker is away is told
        by what waits."""
        try:
            late_s = {stream: seconds for stream in self._streams if (seconds := self._late_s(stream)) is not None}
            self._last = Broker(self._memory(full), late_s)
        except redis.RedisError as error:
            log.debug("the broker does not answer; what it said last counts", reason=told(error))
        return self._last

    def _late_s(self, stream: str) -> float | None:
        try:
            return streams.oldest_s(self._client, stream)
        except redis.ResponseError:  # no stream, or no right to it: the intake tells of that
            return None

    def _memory(self, full: bool) -> tuple[int, int] | None:
        try:
            memory = broker.memory(self._client)
        except redis.ResponseError as error:  # an account that may not ask
            if not self._blind:
                log.warning("it can't be seen how full the broker is", reason=told(error))
            self._blind = True
            return None
        if memory is None:
            return None
        full = memory.share >= (_ROOM if full else _FULL)
        return (memory.used_bytes // 2**20, memory.limit_bytes // 2**20) if full else None
