"""What happens to a payment next, in a sentence. Pure."""

from collections.abc import Mapping

from shared.domain.payment import FINAL, HoldReason, State

_HELD: Mapping[HoldReason, str] = {
    HoldReason.NO_ACCOUNT: "it goes out when the provider's list has an account for it",
    HoldReason.AMBIGUOUS_ACCOUNT: "its account is one of several: cancel it, or have the provider mend its list",
    HoldReason.ACCOUNT_UNCONFIRMED: "it goes out when a person has confirmed the account (`settlepipe accounts`)",
    HoldReason.SETTLE_PENDING: "it goes out when the settle that it refunds has succeeded",
    HoldReason.INVOICE_BUSY: "it goes out when the payment before it on the same invoice has ended",
}
_NEXT: Mapping[State, str] = {
    State.ACCEPTED: "it is dispatched from {due} on",
    State.DISPATCHED: "a worker takes it; if none does, it is dispatched again after {due}",
    State.SENDING: "it is on the wire; without an outcome it is looked at after {due}",
    State.WAITING: "it is sent again from {due} on",
    State.UNKNOWN: "the provider's books are read from {due} on",
    State.PARKED: "a person decides: `settlepipe resolve`; `settlepipe inbox` shows the command",
}


def next_step(state: State, hold_reason: HoldReason | None, due: str | None, *, lane_runs: bool) -> str | None:
    """None for a final payment. due: as people are to read it. lane_runs: else it waits for the lane before."""
    if state in FINAL:
        return None
    if hold_reason is not None:
        return _HELD[hold_reason]
    said = _NEXT[state].format(due=due)
    return said if lane_runs or state is State.PARKED else f"its lane stands still; once it runs: {said}"
