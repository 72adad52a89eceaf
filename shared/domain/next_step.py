"""What happens to a payment next, in a sentence. Pure."""

from collections.abc import Mapping

from shared.domain.payment import FINAL, HoldReason, State
from shared.domain.words import Say, mark, plain

_HELD: Mapping[HoldReason, str] = {
    HoldReason.NO_ACCOUNT: mark("it goes out when the provider's list has an account for it"),
    HoldReason.AMBIGUOUS_ACCOUNT: mark("its account is one of several: cancel it, or have the provider mend its list"),
    HoldReason.ACCOUNT_UNCONFIRMED: mark("it goes out when a person has confirmed the account (`settlepipe accounts`)"),
    HoldReason.SETTLE_PENDING: mark("it goes out when the settle that it refunds has succeeded"),
    HoldReason.INVOICE_BUSY: mark("it goes out when the payment before it on the same invoice has ended"),
}
_NEXT: Mapping[State, str] = {
    State.ACCEPTED: mark("it is dispatched from %(due)s on"),
    State.DISPATCHED: mark("a worker takes it; if none does, it is dispatched again after %(due)s"),
    State.SENDING: mark("it is on the wire; without an outcome it is looked at after %(due)s"),
    State.WAITING: mark("it is sent again from %(due)s on"),
    State.UNKNOWN: mark("the provider's books are read from %(due)s on"),
    State.PARKED: mark("a person decides: `settlepipe resolve`; `settlepipe inbox` shows the command"),
}


def next_step(
    state: State, hold_reason: HoldReason | None, due: str | None, *, lane_runs: bool, say: Say = plain
) -> str | None:
    """None for a final payment. due: as people are to read it. lane_runs: else it waits for the lane before. say: a
    text in the reader's language."""
    if state in FINAL:
        return None
    if hold_reason is not None:
        held = _HELD[hold_reason]
        return say(held)
    next_one = _NEXT[state]
    said = say(next_one, due=due)
    return (
        said if lane_runs or state is State.PARKED else say("its lane stands still; once it runs: %(next)s", next=said)
    )
