"""What the relay does for the events stream beside writing it: trim it, and tell of what stands still."""

import time

import redis

from scheduler.apart import told
from shared.messaging import events_stream
from shared.messaging.events_stream import EVENTS
from shared.settings import Settings
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)

_EVERY_S = 10.0


class Upkeep:
    """Kept for the life of the process, so that each standing still is told once."""

    def __init__(self, client: "redis.Redis", settings: Settings) -> None:
        self._client, self._settings = client, settings
        self._due_at = 0.0
        self._stands: bool | None = None  # for a refusal? None: it goes on

    def look(self) -> None:
        """At a pace: trim, also when there is nothing to write. Raises RedisError."""
        now = time.monotonic()
        if now < self._due_at:
            return
        self._due_at = now + _EVERY_S
        events_stream.trim(self._client, self._settings.events_keep_s, self._settings.events_keep_entries)

    def stands(self, error: redis.RedisError) -> None:
        """The relay can't write, for this reason."""
        refused, reason = isinstance(error, redis.ResponseError), told(error)
        if refused is self._stands:
            return
        self._stands = refused
        if refused:
            sentence = f"the broker refuses the stream {EVENTS}; events wait in the outbox until that is mended"
            alert(Alert.EVENTS_REFUSED, sentence, reason=reason)
        else:
            log.warning("the broker does not answer; events wait in the outbox", reason=reason)

    def goes_on(self) -> None:
        """It wrote, or had nothing to write."""
        if self._stands is not None:
            log.info("events are written again")
        self._stands = None
