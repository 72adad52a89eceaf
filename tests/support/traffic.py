"""A steady stream of payments while a test does harm, so that something is always under way."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.intents import Intent, refundable, settle
from tests.support.stack import Stack

REFUND_EVERY = 6
PAUSE_S = 0.1
A_TIME = 3  # settles put on the queue together


@dataclass
class Traffic:
    """What was sent so far."""

    sent: list[Intent] = field(default_factory=list)
    failure: BaseException | None = None


@contextmanager
def traffic(stack: Stack, source: str) -> Iterator[Traffic]:
    """Settles, and every few of them a refund of one, until the block ends."""
    running, stop = Traffic(), threading.Event()

    def feed() -> None:
        number = 0
        try:
            while not stop.is_set():
                batch = []
                for _ in range(A_TIME):
                    number += 1
                    batch += [settle(source, number)] if number % REFUND_EVERY else refundable(source, number)
                stack.submit(batch)
                running.sent += batch
                stop.wait(PAUSE_S)
        except BaseException as error:  # told to the test, which fails by it
            running.failure = error

    thread = threading.Thread(target=feed, name="upstream")
    thread.start()
    try:
        yield running
    finally:
        stop.set()
        thread.join()
    if running.failure is not None:
        raise running.failure
