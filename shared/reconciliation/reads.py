"""Reads of a provider's books: within the lane's rate, tried again while that may help."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from shared import lanes
from shared.database.engine import AWAY
from shared.domain.backoff import next_wait
from shared.lanes import Allowance
from shared.payments.send import halt
from shared.providers.base import BooksUnread, LoginRefused, LoginUnavailable
from shared.runtime import Runtime
from shared.telemetry.alerts import Alert
from shared.telemetry.logs import alert

TRIES = 5  # of one read
LONGEST_WAIT_S = 60.0  # between two tries; a provider that asks for more is asked again another time
STANDSTILL_S = 600.0  # so long at a time a read waits for its lane

Answer = TypeVar("Answer")


class Stopped(Exception):  # noqa: N818
    """No more reads now; the message says why."""


class Reads:
    """Makes reads of one provider, from several threads at once.

    With a rate, reads take every second token at most: payments go on beside them.
    """

    def __init__(self, runtime: Runtime, provider: str) -> None:
        self._runtime, self._provider = runtime, provider
        self._rate_per_s = runtime.settings.provider(provider).rate_per_s
        self._door, self._next = threading.Lock(), 0.0
        self._stop = threading.Event()
        self._why = "the fetch is ending"

    def stop(self, why: str) -> None:
        """Let no further read begin; those that wait give up."""
        self._why = why
        self._stop.set()

    def make(self, read: Callable[[], Answer]) -> Answer:
        """One read, tried again while its failure may pass. Raises BooksUnread, Stopped."""
        for attempt in range(1, TRIES + 1):
            probes = self._pass()
            try:
                answer = read()
                if probes:
                    self._let_in()
                return answer
            except LoginRefused as error:
                if probes:
                    halt(self._runtime, self._provider, str(error))
                self.stop(str(error))
                raise Stopped(self._why) from None
            except (BooksUnread, LoginUnavailable) as error:
                unread = error if isinstance(error, BooksUnread) else BooksUnread(str(error), passing=True)
            except AWAY:
                raise
            except Exception:  # a mistake in the adapter must not cost the other accounts
                alert(Alert.ADAPTER_FAILED, "the adapter failed on the provider's books", provider=self._provider)
                raise BooksUnread("the adapter failed on the answer") from None
            too_long = (unread.retry_after_s or 0) > LONGEST_WAIT_S
            if not unread.passing or too_long or attempt == TRIES:
                break
            base_s = self._runtime.settings.retry.base_s
            self._wait(next_wait(attempt, base_s, LONGEST_WAIT_S, unread.retry_after_s))
        raise unread

    def _let_in(self) -> None:
        with self._runtime.database.connection() as connection:
            lanes.let_in(connection, self._provider)

    def _pass(self) -> bool:
        """Wait for this read's turn; does it probe a halted lane? Raises Stopped."""
        begun = time.monotonic()
        with self._door:
            self._wait(self._next - time.monotonic())
            while (allowance := self._asked()).wait_s > 0:
                if time.monotonic() - begun > STANDSTILL_S:
                    self.stop(f"the lane let no read through in {STANDSTILL_S:.0f} s")
                self._wait(min(allowance.wait_s, LONGEST_WAIT_S))
            if self._rate_per_s is not None:
                self._next = time.monotonic() + 2 / self._rate_per_s
        return allowance.probes

    def _asked(self) -> Allowance:
        with self._runtime.database.connection() as connection:
            allowance = lanes.take(connection, self._provider, self._rate_per_s)
        if allowance.stopped is not None:
            self.stop(allowance.stopped)
            raise Stopped(allowance.stopped)
        return allowance

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(max(seconds, 0)):
            raise Stopped(self._why)
