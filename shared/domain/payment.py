"""A payment: its states, the legal transitions between them, and the row as the flow sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Operation(StrEnum):
    SETTLE = "settle"
    REFUND = "refund"


class State(StrEnum):
    ACCEPTED = "accepted"
    DISPATCHED = "dispatched"
    SENDING = "sending"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    PARKED = "parked"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    CANCELLED = "cancelled"


FINAL = frozenset({State.SUCCEEDED, State.REFUSED, State.CANCELLED})

# The one table of legal transitions. The database holds the same table and refuses every other change;
# a test compares the two. Evidence may move anything that is not final to succeeded.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.ACCEPTED: frozenset({State.DISPATCHED, State.UNKNOWN, State.REFUSED, State.CANCELLED, State.SUCCEEDED}),
    State.DISPATCHED: frozenset({State.SENDING, State.DISPATCHED, State.UNKNOWN, State.CANCELLED, State.SUCCEEDED}),
    State.SENDING: frozenset({State.SUCCEEDED, State.REFUSED, State.WAITING, State.UNKNOWN}),
    State.WAITING: frozenset({State.DISPATCHED, State.UNKNOWN, State.PARKED, State.CANCELLED, State.SUCCEEDED}),
    State.UNKNOWN: frozenset({State.SENDING, State.WAITING, State.REFUSED, State.PARKED, State.SUCCEEDED}),
    State.PARKED: frozenset({State.SUCCEEDED, State.REFUSED, State.WAITING, State.UNKNOWN}),
    State.SUCCEEDED: frozenset(),
    State.REFUSED: frozenset(),
    State.CANCELLED: frozenset(),
}


class HoldReason(StrEnum):
    """Why an accepted payment is not sent yet; each is released by what it waits for."""

    NO_ACCOUNT = "no_account"  # the directory has no account for it
    AMBIGUOUS_ACCOUNT = "ambiguous_account"  # the directory has several
    ACCOUNT_UNCONFIRMED = "account_unconfirmed"  # a changed account waits for a person
    SETTLE_PENDING = "settle_pending"  # a refund waits for the settle it names
    INVOICE_BUSY = "invoice_busy"  # another payment with the same exclusive key may be at the provider


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment as read from the store. Money in minor units, times aware and UTC."""

    id: int
    source: str
    intent_id: str
    provider: str
    operation: Operation
    amount_minor: int
    currency: str
    paid_at: datetime
    target: Mapping[str, Any] = field(repr=False)
    sent_reference: str  # our id at the provider; made from source and intent id
    receipt: Mapping[str, Any] | None = field(default=None, repr=False)
    notify: Mapping[str, Any] | None = field(default=None, repr=False)
    refund_of: str | None = None
    body: bytes | None = field(default=None, repr=False)  # the request's exact bytes, frozen before the first send
    path: str | None = None
    baseline: Mapping[str, Any] | None = None  # what the provider's books said before the first send
    in_doubt: bool = False  # an attempt may have been applied and no check has ruled it out
    traceparent: str | None = None  # W3C's, as it came with the intent
    settled: "Payment | None" = None  # for a refund: the settle that it names
    refunded_minor: int = 0  # and what that settle's other refunds hold already, pending and unknown ones included
