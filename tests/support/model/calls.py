"""A verb of the flow in a thread of its own, which stops wherever the provider is asked, until it is told what to get.

One thread runs at a time: the test's, or the call's that it lets go on. So what happens has one order, and a call can
stand still for as long as the test likes: on the wire, before its first byte, in a read of the books.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shared.domain.payment import Payment
from shared.messaging import tasks
from tests.support.flow import id_in

WAIT_S = 600.0


class Died(BaseException):
    """The process ends here: nothing behind this line of the product is run."""


@dataclass(frozen=True)
class Question:
    """What the provider is asked: `login`, `baseline`, `request` (a payment's bytes are on the wire) or `books`."""

    what: str
    payment: Payment | None = None


class Call(threading.Thread):
    """at: where it stands; None: it has ended. said: what it will get there, once that is decided. went: the answer
    that it got to its request, or the verdict of its last look."""

    def __init__(self, verb: Callable[..., object], runtime: Any, name: tasks.Name) -> None:
        super().__init__(daemon=True)
        self.payment_id = id_in(name)
        self.intent_id = ""  # once the provider was asked about it
        self.at: Question | None = None
        self.claimed_s = 0.0  # when it was claimed, in the seconds of the game
        self.good_since_s = 0.0  # when it was claimed, or its claim renewed, by the machine's clock
        self.looked_s: float | None = None  # when its last look into the books began, by the machine's clock
        self.said: tuple[Any, ...] = ()
        self.went: Any = None
        self._verb, self._runtime, self._name = verb, runtime, name
        self._told: queue.SimpleQueue[Question | None] = queue.SimpleQueue()
        self._steps: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._verb(self._runtime, *((self._name,) if isinstance(self._name, int) else self._name))
        except Died:
            pass
        except BaseException as error:
            self._error = error
        self._told.put(None)

    @property
    def ended(self) -> bool:
        return self.at is None

    def begin(self) -> None:
        """Run until the provider is asked, or to the end. Raises what the verb raised."""
        self.start()
        self._until_told()

    def go_on(self) -> None:
        """Let it have what was decided, and run on."""
        (step,), self.said = self.said, ()
        if self.at is not None and self.at.what in ("request", "books"):
            self.went = step
        self._steps.put(step)
        self._until_told()

    def end(self) -> None:
        """Its process is killed."""
        if self.at is not None:
            self._steps.put(Died())
            self._until_told()

    def ask(self, question: Question) -> Any:
        """What the provider says. Called by the provider, in the call's own thread."""
        self._told.put(question)
        step = self._steps.get(timeout=WAIT_S)
        if isinstance(step, BaseException):
            raise step
        return step

    def _until_told(self) -> None:
        self.at = self._told.get(timeout=WAIT_S)
        if self.at is not None and self.at.payment is not None:
            self.intent_id = self.at.payment.intent_id
        if self.at is None:
            self.join(WAIT_S)
            if self._error is not None:
                raise self._error


def current() -> Call | None:
    """The call in whose thread this is; None in the test's own."""
    thread = threading.current_thread()
    return thread if isinstance(thread, Call) else None
