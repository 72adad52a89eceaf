"""A message's payments in lots: as many claimed at once as the provider answers in a moment, one where it is slow."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.payments import lots, send
from shared.payments.lots import Claimed, Later
from shared.payments.send import Put
from shared.runtime import Runtime, boot_time_s

Named = tuple[int, str | None]  # an older version's message names ids alone
Item = Sequence[Named] | Claimed

_MOMENT_S = 1.0  # what the claims of a lot may wait for each other; five of it make one unusable


class Pace:
    """How fast a lane's provider answers this process. Thread-safe enough: a lost measurement is no harm."""

    def __init__(self, most: int) -> None:
        self._most, self._took_s = most, _MOMENT_S

    def took(self, seconds: float) -> None:
        """A call took so long; 0: none was made. One slow call counts at once, fast ones little by little."""
        if seconds > 0:
            self._took_s = max(seconds, self._took_s + (seconds - self._took_s) / 8)

    @property
    def lot(self) -> int:
        """How many to claim at once."""
        return max(1, min(self._most, int(_MOMENT_S / self._took_s)))


@dataclass(frozen=True, slots=True)
class Sending:
    """What the sender threads do for one message. later: records that are to be waited for. left: what was not
    claimed, since the lane was seen to stand still after the message began (boot time)."""

    runtime: Runtime
    provider: str
    names: Sequence[Named]
    put: Put
    pace: Pace
    began_s: float = field(default_factory=boot_time_s)
    later: list[Later] = field(default_factory=list)
    left: list[Named] = field(default_factory=list)

    def lots(self) -> list[Item]:
        """The message's payments in lots."""
        return self._split(self.names)

    def _split(self, names: Sequence[Named]) -> list[Item]:
        size = self.pace.lot
        return [names[start : start + size] for start in range(0, len(names), size)]

    def _stands(self) -> bool:
        """Is there no use in claiming more? One alone may be the probe that sets its lane going."""
        return len(self.names) > 1 and self.runtime.stops.since(self.provider, self.began_s)

    def do(self, item: Item) -> Sequence[Item]:
        """Claim a lot, or send one of it. What is left to do is returned."""
        if isinstance(item, Claimed):
            took_s, later = lots.send(self.runtime, item, self.put)
            self.pace.took(took_s)
            if later is not None:
                self.later.append(later)
            return ()
        if self._stands():
            self.left.extend(item)
            return ()
        if len(item) > self.pace.lot:  # it was larger when the message came
            return self._split(item)
        if len(item) == 1:
            payment_id, reference = item[0]
            took_s = send.send(self.runtime, payment_id, reference, self.put)
            self.pace.took(took_s)
            if not took_s and self._stands():
                self.left.append(item[0])
            return ()
        claims = lots.claim(self.runtime, [(name, reference) for name, reference in item if reference is not None])
        taken = {one.claim.payment.id for one in claims}
        return [*claims, *([name] for name in item if name[0] not in taken)]
