"""lots: several payments claimed in one statement and sent one after the other.

Only where the provider promises that the same request may be sent again: what a crash leaves in doubt is then resent,
whether or not it had been sent. A process has at most CONCURRENCY times a message's payments of such claims, and as
many successes as its recorder holds. A claim of a lot is as good as one alone: five seconds old, or in a lane that was
seen to stand still, it is given back, and nothing was sent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from shared.database.engine import AWAY
from shared.payments.send import Put, attempted, give_back, record
from shared.payments.store import lots as store
from shared.payments.store import send as send_store
from shared.payments.store.send import Claim
from shared.runtime import STALE_S, Runtime, boot_time_s
from shared.telemetry.logs import get_logger
from shared.unclaim import claimed

log = get_logger(__name__)

Name = tuple[int, str]
Later = Callable[[], None]
"""Waits until an outcome is recorded. May raise what recording raises."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A payment that is to be sent. begun_s: boot time from before its claim was issued."""

    claim: Claim
    begun_s: float


def claim(runtime: Runtime, names: Sequence[Name]) -> list[Claimed]:
    """Claim these payments (id, reference), as far as a lot may hold them. The others are left as they are.
    Raises one of AWAY."""
    if not (names and runtime.gate.open):
        return []
    begun_s = boot_time_s()
    try:
        return [Claimed(claim, begun_s) for claim in _claims(runtime, names)]
    except AWAY:
        raise
    except Exception as error:  # something in one of them, that must not keep the others
        log.error("payments are claimed one by one", reason=type(error).__name__)
        return []


def _claims(runtime: Runtime, names: Sequence[Name]) -> Sequence[Claim]:
    key, limits = runtime.worker_key, runtime.limits
    return claimed(
        runtime.lost,
        runtime.database,
        [payment_id for payment_id, _ in names],
        lambda connection, token: (
            []  # it was asked to stop while it waited for a connection
            if runtime.gate.ended
            else store.claim(connection, names, key, limits, token=token, seen=runtime.seen)
        ),
        partial(send_store.unclaim, limits=limits),
    )


def send(runtime: Runtime, one: Claimed, put: Put) -> tuple[float, Later | None]:
    """Send one of a lot: how many seconds the call took (0: none was made), and what is to be waited for, if anything.
    A claim that can't be used any more is given back."""
    why = _unusable(runtime, one)
    if why is not None:
        give_back(runtime, one.claim, why)
        return 0.0, None
    outcome = attempted(runtime, one.claim, one.begun_s)
    if not outcome.plainly_succeeded:
        record(runtime, one.claim, outcome)
        return outcome.took_s, None
    written = put(one.claim, outcome, False)

    def later() -> None:
        if not written.result():
            record(runtime, one.claim, outcome)

    return outcome.took_s, later


def _unusable(runtime: Runtime, one: Claimed) -> str | None:
    if runtime.gate.ended:
        return "its process stops"
    if not runtime.gate.open:
        return "an outcome before it could not be written"
    if runtime.stops.since(one.claim.payment.provider, one.begun_s):
        return "its lane was seen to stand still"
    return "those before it took too long" if boot_time_s() - one.begun_s > STALE_S else None
