"""What this process holds of its lane, and how it goes back when the process is asked to stop."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.database.engine import AWAY
from shared.runtime import ClaimGate
from shared.stopping import waits_at
from shared.telemetry.logs import get_logger

log = get_logger(__name__)

_AGAIN_S = 0.5  # while PostgreSQL does not answer
_LOOK_S = 0.1  # nobody tells when a lost claim was ended
_BROKER_S = 3.0  # what Celery may take for its own end, once all is recorded and given back


@dataclass(slots=True)
class Message:
    """What one message names: payments by id and reference, follow-ups by id. helped: what does of it all that no
    sender has begun."""

    payments: Sequence[tuple[int, str | None]] = ()
    follow_ups: Sequence[int] = ()
    helped: list[Callable[[], None]] = field(default_factory=list)
    given_back: bool = False


GiveBack = Callable[[Sequence[tuple[int, str | None]], Sequence[int]], object]


class Held:
    """The messages that are being done. Thread-safe.

    give_back: has payments and follow-ups that nobody claimed dispatched again, by one statement. Raises one of AWAY.
    ring: tells a dispatcher of it. ended: has each claim whose answer was lost been ended?
    """

    def __init__(
        self, gate: ClaimGate, give_back: GiveBack, ring: Callable[[], object], ended: Callable[[], bool] = lambda: True
    ) -> None:
        self._gate, self._give_back, self._ring, self._ended = gate, give_back, ring, ended
        self._changed = threading.Condition()
        self._messages: dict[int, Message] = {}
        self._left: list[Message] = []
        self._giving = False

    @contextmanager
    def message(self, message: Message) -> Iterator[Message]:
        """Hold this message until the block ends."""
        with self._changed:
            self._messages[id(message)] = message
        try:
            yield message
        finally:
            with self._changed:
                del self._messages[id(message)]
                if self._gate.ended and not message.given_back:  # it began after the others were given back
                    self._left.append(message)
                self._changed.notify_all()

    def end(self, within_s: float) -> bool:
        """The gate is closed for ever: give back what is held, and wait until what is on the wire is recorded, and
        Celery's own end. Returns when the process has to be ended because the broker keeps it (True) or because there
        is something left (False)."""
        until = time.monotonic() + within_s
        with self._changed:
            for message in self._messages.values():
                message.given_back = True
                self._left.append(message)
            helped = [help_ for message in self._left for help_ in message.helped]
        for target, name in ((self._give, "gives-back"), (lambda: [help_() for help_ in helped], "helps")):
            threading.Thread(target=target, name=name, daemon=True).start()
        with self._changed:
            done = self._until_idle(max(0.0, within_s - _BROKER_S))
        time.sleep(max(0.0, min(_BROKER_S, until - time.monotonic())))
        if done:
            text = "the broker does not let this process end; all is recorded, and it ends without"
            log.warning(text, waits_at=waits_at())
        return done

    def wait(self) -> None:
        """Return when nothing is held. Celery has ended by then; `end` ends the process where that takes too long."""
        with self._changed:
            self._until_idle(threading.TIMEOUT_MAX)

    def _until_idle(self, limit_s: float) -> bool:
        """Holds the lock, but while it waits."""
        until = time.monotonic() + limit_s
        while self._messages or self._left or self._giving or not self._ended():
            if time.monotonic() >= until:
                return False
            self._changed.wait(min(_LOOK_S, max(0.0, until - time.monotonic())))
        return True

    def _give(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._left)
                messages, self._left, self._giving = self._left, [], True
            done = self._gave(messages)
            with self._changed:
                self._giving = False
                self._left += [] if done else messages
                self._changed.notify_all()
            if done:
                self._ring()
            else:
                time.sleep(_AGAIN_S)

    def _gave(self, messages: Sequence[Message]) -> bool:
        payments = [name for message in messages for name in message.payments]
        follow_ups = [number for message in messages for number in message.follow_ups]
        try:
            if payments or follow_ups:
                self._give_back(payments, follow_ups)
        except AWAY as error:
            log.warning("what is held can't be given back yet; PostgreSQL does not answer", reason=type(error).__name__)
            return False
        except Exception as error:  # their leases run out
            log.error("what is held could not be given back", reason=type(error).__name__)
        return True
