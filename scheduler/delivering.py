"""The relay's threads that deliver to webhooks: one looks what is due, and each webhook that has something gets a
thread of its own for a turn. So a receiver that hangs, or drips, holds up itself alone.

Any number of relays may deliver, also those that wait for their turn with the stream: each webhook is one process's at
a time, by its lease.
"""

import threading
import time
from collections.abc import Sequence

import psycopg

from shared.database import chosen
from shared.database.leases import LeaseLost
from shared.database.store import HeldError, Seen
from shared.events.feed import Horizon
from shared.settings import Settings
from shared.telemetry.logs import get_logger
from shared.webhooks.deliver import Deliverer
from shared.webhooks.sign import Vault

log = get_logger(__name__)

_EVERY_S = 0.5
_RESTS_S = 2.0  # a webhook whose turn ended in an error
_SAY_EVERY_S = 300.0
_CONNECTIONS = 3  # held for a statement or a few, never while a receiver is waited for
_END_S = 3.0


class Deliveries:
    """The threads of one process."""

    def __init__(self, deliverer: Deliverer, slots: int, stop: threading.Event) -> None:
        self._deliverer, self._slots, self._stop = deliverer, slots, stop
        self._running: dict[int, threading.Thread] = {}
        self._withdrawn: set[int] = set()
        self._rests: dict[int, float] = {}
        self._say_at: dict[type[Exception], float] = {}
        self._thread = threading.Thread(target=self._keep_looking, name="webhooks", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Once `stop` is set: wait a moment for what is under way, so that it is noted and the webhook free for another
        process. What is not is sent again."""
        ends_s = time.monotonic() + _END_S
        for thread in [self._thread, *self._running.values()]:
            thread.join(max(0.0, ends_s - time.monotonic()))

    def _keep_looking(self) -> None:
        first = 0
        while not self._stop.wait(_EVERY_S):
            self._running = {number: thread for number, thread in self._running.items() if thread.is_alive()}
            try:
                self._withdrawn = self._deliverer.withdrawn(self._running) if self._running else set()
                first = self._begin(self._deliverer.due(self._running), first)
            except HeldError:
                continue
            except Exception as error:  # this thread goes on: nobody would begin another one
                self._say("webhooks could not be looked at; trying again", error)

    def _begin(self, due: Sequence[int], first: int) -> int:
        """A turn of each that is due, while there are slots; the last one that has its. first: of the look before."""
        now = time.monotonic()
        ready = [n for n in due if n not in self._running and self._rests.get(n, 0.0) <= now]
        # Where there are more than slots, all have their turn: it goes on behind the last one that had its.
        for number in sorted(ready, key=lambda n: (n <= first, n)):
            if len(self._running) >= self._slots:
                break
            turn = threading.Thread(target=self._turn, args=(number,), name=f"webhook {number}", daemon=True)
            turn.start()
            self._running[number], first = turn, number
        return first

    def _turn(self, number: int) -> None:
        try:
            self._deliverer.turn(number, self._stop.is_set, lambda: number in self._withdrawn)
            return
        except HeldError:
            pass
        except LeaseLost:
            log.warning("another process delivers to this webhook; this one stood still for long", webhook=number)
        except Exception as error:
            self._say("a webhook's turn ended early; it is taken up again", error)
        self._rests[number] = time.monotonic() + _RESTS_S

    def _say(self, sentence: str, error: Exception) -> None:
        if time.monotonic() < self._say_at.get(type(error), 0.0):
            return
        self._say_at[type(error)] = time.monotonic() + _SAY_EVERY_S
        if isinstance(error, psycopg.Error):
            log.warning(sentence, reason=type(error).__name__)
        else:
            log.error(sentence, exc_info=error)


def begin(settings: Settings, seen: Seen, stop: threading.Event) -> Deliveries | None:
    """Deliver from now on, until `stop` is set. Without keys to read secrets with, nothing is delivered, and that is
    said."""
    try:
        vault = Vault(settings.secret_keys)
    except ValueError:
        log.warning("SETTLEPIPE_SECRET_KEYS has no key, or one that is none: this process delivers to no webhook")
        return None
    database = chosen.database(settings, _CONNECTIONS, "settlepipe webhooks")
    deliverer = Deliverer(database, seen, vault, settings.webhooks, Horizon().look)
    return Deliveries(deliverer, settings.webhooks.slots, stop)
