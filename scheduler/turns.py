"""When each lane is looked at: soon after somebody rang for it, and at a pace all the same. Pure but for its clock."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from shared.payments.dispatch import Looked

_PACE_S = 0.005  # from the beginning of a look to the next one: rings that come together are answered by one
_BUSY_PACE_S = 0.02  # where senders have enough to do, and what comes meanwhile makes messages of many ids
_RATED_PACE_S = 0.05  # a lane with a rate gathers tokens for a tenth of a second, no longer
_RATED_FOR_S = 2.0  # after something of it went out
_NEVER = float("-inf")


@dataclass(slots=True)
class _Turn:
    rung: bool = False
    began_s: float = _NEVER
    pace_s: float = _BUSY_PACE_S
    rated_s: float = _NEVER  # when something of it went out, if it has a rate


class Turns:
    """The lanes' turns. interval_s: how often each is looked at when nobody rings."""

    def __init__(self, lanes: Sequence[str], interval_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._turns = {lane: _Turn() for lane in lanes}
        self._interval_s, self._clock = interval_s, clock

    def ring(self, names: Collection[str]) -> None:
        """Somebody rang for these lanes. For all of them with a name that is no lane's: an older version's ring."""
        everywhere = any(name not in self._turns for name in names)
        for lane, turn in self._turns.items():
            turn.rung |= everywhere or lane in names

    def begin(self) -> list[str]:
        """The lanes whose turn it is: they are looked at now."""
        now_s = self._clock()
        due = [lane for lane, turn in self._turns.items() if self._next_s(turn, now_s) <= now_s]
        for lane in due:
            turn = self._turns[lane]
            turn.rung, turn.began_s, turn.pace_s = False, now_s, _BUSY_PACE_S
        return due

    def looked(self, lane: str, found: Looked, *, rated: bool) -> None:
        """What a look found. rated: this lane has a rate."""
        turn = self._turns[lane]
        if found.elsewhere:  # what rang may have come after the other dispatcher's look
            turn.rung = True
        elif not found.short:
            turn.pace_s = _PACE_S
        if rated and found.messages:
            turn.rated_s = self._clock()

    @property
    def wait_s(self) -> float:
        """How long until the next lane's turn, if nobody rings."""
        now_s = self._clock()
        return max(
            0.0, min((self._next_s(turn, now_s) - now_s for turn in self._turns.values()), default=self._interval_s)
        )

    def _next_s(self, turn: _Turn, now_s: float) -> float:
        rated = now_s - turn.rated_s < _RATED_FOR_S
        every_s = min(self._interval_s, _RATED_PACE_S) if rated else self._interval_s
        return turn.began_s + (min(turn.pace_s, every_s) if turn.rung else every_s)
