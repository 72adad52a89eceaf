"""Steps that stand side by side: what one of them raises is said, at a pace, and stops no other."""

import time
from collections.abc import Callable

import redis
from kombu.exceptions import KombuError
from psycopg import Error as DatabaseError

from shared import health
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert, get_logger

log = get_logger(__name__)

_AGAIN_S = 0.5  # a step that failed rests so long at least
_MOST_S = 30.0  # and as long as it took, within this: one that waits for a time-out leaves half the time to the others
_SAY_EVERY_S = 300.0
_ALERT_AFTER_S = 60.0


# What servers do; anything else is a mistake of ours, and its trace is wanted.
_FORESEEN = (redis.RedisError, KombuError, OSError, DatabaseError)


class Apart:
    """Runs steps by name. One that fails rests a little and is tried again; the others never notice.

    It is said when a step begins to fail, every five minutes while it goes on, and when it works again. One that has
    failed for a minute raises one alert, `step_failing`. turned: called before each; says that the loop turns.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, turned: Callable[[], object] = health.turned
    ) -> None:
        self._clock, self._turned = clock, turned
        self._failing: dict[str, _Failing] = {}

    def run(self, what: str, step: Callable[[], None], **fields: str) -> bool:
        """Run the step, unless it rests after a failure; did it work?"""
        began = self._clock()
        failing = self._failing.get(what)
        if failing is not None and began < failing.rests_until:
            return False
        self._turned()  # each step may take as long as a statement may
        try:
            step()
        except Exception as error:
            self._failed(what, error, began, fields)
            return False
        if failing is not None:
            del self._failing[what]
            log.info("it works again", step=what, **fields)
        return True

    def _failed(self, what: str, error: Exception, began: float, fields: dict[str, str]) -> None:
        now = self._clock()
        failing = self._failing.setdefault(what, _Failing(since=began))
        failing.rests_until = now + min(max(_AGAIN_S, now - began), _MOST_S)
        if now >= failing.say_at:
            failing.say_at = now + _SAY_EVERY_S
            if isinstance(error, _FORESEEN):
                log.warning(
                    "a step fails and is tried again; the others go on", step=what, reason=told(error), **fields
                )
            else:
                log.error("a step fails: a defect; the others go on", step=what, exc_info=error, **fields)
        if now - failing.since >= _ALERT_AFTER_S and not failing.alerted:
            failing.alerted = True
            alert(Alert.STEP_FAILING, "a step has failed for a minute; nothing is lost", step=what, **fields)


class _Failing:
    def __init__(self, since: float) -> None:
        self.since, self.rests_until, self.say_at, self.alerted = since, since, since, False


def told(error: Exception) -> str:
    """What went wrong, by its class; with the broker's own words where it answered with a refusal."""
    cause: BaseException = error
    while not isinstance(cause, redis.ResponseError) and cause.__cause__ is not None:
        cause = cause.__cause__
    name = type(error).__name__
    if not isinstance(cause, redis.ResponseError):
        return name
    words = str(cause).rpartition(" caused error: ")[2]  # without the command of a pipeline, which is another each time
    return f"{name}: {words[:200]}"
