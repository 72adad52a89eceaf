"""sending: a batch of events to one receiver, a few payments at a time, each payment's in order."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.database.engine import Row
from shared.domain.webhooks import ILL_AFTER, Attempt, Verdict
from shared.telemetry.logs import get_logger
from shared.webhooks.send import Receiver, told

log = get_logger(__name__)

_LOOK_S = 0.2  # how often it is looked whether to leave what is under way


@dataclass(slots=True)
class Outcome:
    """delivered, failed: events. What is in neither was not sent. failures: tries in a row that failed, as the webhook
    counts them. said: what the last failure said; None: nothing failed. gone: there is nobody any more."""

    failures: int
    delivered: list[int] = field(default_factory=list)
    failed: dict[int, Attempt] = field(default_factory=dict)
    said: str | None = None
    gone: bool = False

    @classmethod
    def nothing_sent(cls, groups: Sequence[Sequence[Row]], failures: int, why: Attempt) -> "Outcome":
        """The webhook itself can't be used as it is: that is mended for all of it, or for none."""
        first = {group[0]["id"]: why for group in groups[:1]}
        return cls(max(ILL_AFTER, failures + 1), failed=first, said=why.said)


class Batch:
    """A batch on its way. ended: nothing more is to be sent. leaves: what is under way is not waited for any more; what
    becomes of it is nobody's to know. failures: of the webhook, before."""

    def __init__(
        self,
        receiver: Receiver,
        secrets: Sequence[str],
        failures: int,
        ended: Callable[[], bool],
        leaves: Callable[[], bool] = lambda: False,
    ) -> None:
        self._receiver, self._secrets, self._ended, self._leaves = receiver, secrets, ended, leaves
        self._lock, self._stopped, self._left = threading.Lock(), False, False
        self._outcome = Outcome(failures)
        self._most = max(ILL_AFTER, failures + 1)  # what was under way together is one step of the receiver's waits
        self._tries: Mapping[int, int] = {}
        self._groups: queue.SimpleQueue[Sequence[Row]] = queue.SimpleQueue()

    def sent(self, groups: Sequence[Sequence[Row]], concurrency: int, tries: Mapping[int, int]) -> Outcome:
        """Send them; what came of it. tries: of events that were tried before, how often."""
        self._tries = tries
        for group in groups:
            self._groups.put(group)
        # Daemons: a process that ends waits for no receiver.
        threads = [
            threading.Thread(target=self._run, name="delivers", daemon=True)
            for _ in range(min(concurrency, len(groups)))
        ]
        begun: list[threading.Thread] = []
        try:
            for thread in threads:
                thread.start()
                begun.append(thread)
        except RuntimeError:  # the system gives no more: these do it all, and nobody sends once the turn is over
            if not begun:
                raise
        while any(thread.is_alive() for thread in begun) and not self._leaves():
            for thread in begun:
                thread.join(_LOOK_S / len(begun))
        with self._lock:
            self._left = True
            return self._outcome

    def _run(self) -> None:
        try:
            while not self._over():
                try:
                    group = self._groups.get_nowait()
                except queue.Empty:
                    return
                self._send(group)
        finally:
            self._receiver.http.end()

    def _send(self, group: Sequence[Row]) -> None:
        for event in group:
            if self._over() or not self._one(event):
                return

    def _one(self, event: Row) -> bool:
        try:
            attempt = self._receiver.post(event["event_id"], told(event), self._secrets)
        except Exception as error:  # a mistake of ours: it waits, or it would come again at once
            log.exception("an event could not be posted: a defect", event_id=event["event_id"])
            attempt = Attempt(Verdict.FAILED, f"a mistake of ours ({type(error).__name__}); see the relay's log")
        with self._lock:
            outcome = self._outcome
            if self._left:
                return False
            if attempt.verdict is Verdict.DELIVERED:
                outcome.delivered.append(event["id"])
                outcome.failures = 0
                return True
            outcome.failed[event["id"]], outcome.said = attempt, attempt.said
            # An event that is refused again and again says nothing of the receiver, once others went through; one that
            # asks for time is well.
            refused = outcome.failures >= ILL_AFTER or not self._tries.get(event["id"])
            if refused and attempt.verdict is not Verdict.BUSY:
                outcome.failures = min(outcome.failures + 1, self._most)
            self._stopped |= outcome.failures >= ILL_AFTER or attempt.verdict is not Verdict.FAILED
            outcome.gone |= attempt.verdict is Verdict.GONE
            return False

    def _over(self) -> bool:
        return self._stopped or self._ended()
