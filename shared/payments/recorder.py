"""recorder: the successes of one process, written by one thread, as many in a statement as have come meanwhile.

A sender thread that has its answer may go on to the next call; what it has ended is written while that call hangs, too.
Where successes come close together, those that nobody waits for are kept for ten milliseconds, and written with those
that come meanwhile: a statement and a commit for many of them.
Where it can die: between the answer and the commit, with every success that is not written yet. Their attempts have no
end, and count as ambiguous, as after the death of a thread that writes its own.
"""

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from shared.payments.ended import ended
from shared.payments.store import lots as store
from shared.payments.store.send import Claim, Outcome
from shared.runtime import Runtime, boot_time_s, until_written
from shared.telemetry.logs import bound, get_logger

log = get_logger(__name__)

MOST = 32  # in one statement
WAITING = 64  # that are not written yet; who comes with another one waits
GATHER_S = 0.01  # two that come within it are close together


@dataclass(frozen=True, slots=True)
class _Ended:
    claim: Claim
    outcome: Outcome
    at_once: bool
    written: "Future[bool]" = field(default_factory=Future)


class Recorder:
    """Takes what has succeeded. Thread-safe."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiting: queue.Queue[_Ended] = queue.Queue(WAITING)
        threading.Thread(target=self._run, name="recorder", daemon=True).start()

    def put(self, claim: Claim, outcome: Outcome, at_once: bool) -> "Future[bool]":
        """Have a success written: True when it is, False where it can't be written together with others, and nothing
        of it is; then it is the caller's to record. at_once: the caller does nothing before that. Never raises."""
        one = _Ended(claim, outcome, at_once)
        self._waiting.put(one)
        return one.written

    def _run(self) -> None:
        written_s = float("-inf")
        while True:
            batch = [self._waiting.get()]
            if not batch[0].at_once and time.monotonic() - written_s < GATHER_S:
                time.sleep(GATHER_S)
            while len(batch) < MOST and not self._waiting.empty():
                batch.append(self._waiting.get())
            for provider in {one.claim.payment.provider for one in batch}:
                self._write(provider, [one for one in batch if one.claim.payment.provider == provider])
            written_s = time.monotonic()

    def _write(self, provider: str, batch: Sequence[_Ended]) -> None:
        moved: frozenset[int] = frozenset()
        try:
            written, _ = until_written(self._runtime, lambda: self._succeeded(provider, batch))
            moved = written.moved
            if not written.goes_on:
                self._runtime.stops.saw(provider, boot_time_s())
        except Exception as error:  # something in one of them
            log.warning("successes are written one by one", reason=type(error).__name__)
        for place, one in enumerate(batch):
            one.written.set_result(place in moved)
        for place in moved:
            one = batch[place]
            with bound(payment_id=one.claim.payment.id, attempt=one.claim.attempt):
                ended(one.claim, one.outcome, one.outcome.to)

    def _succeeded(self, provider: str, batch: Sequence[_Ended]) -> store.Written:
        with self._runtime.database.connection() as connection:
            return store.succeeded(
                connection, provider, [(one.claim, one.outcome) for one in batch], self._runtime.seen
            )
