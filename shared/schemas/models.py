"""What upstreams read: a payment's row, an event, and the data of each kind of event.

Objects are open: keys are only added, and a consumer ignores those that it doesn't know. A key that came later is not
required, since what was written before it may be replayed.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from shared.domain.codes import Code
from shared.domain.payment import Operation, State
from shared.events.types import EventType

_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z$"
_SUM = r"^-?[0-9]+(\.[0-9]+)?$"
_CODE = Field(None, pattern="^[a-z_]+$", examples=[str(code) for code in Code])


class Row(BaseModel):
    """A payment as upstreams, accountants and programs see it: a row of `export`, and the data of its events.

    code and hold_reason: words, of which new ones come (docs/codes.md).
    """

    source: str
    intent_id: str
    provider: str
    operation: Operation
    amount: str = Field(pattern=r"^[0-9]+(\.[0-9]+)?$", description="with all the currency's places")
    currency: str = Field(pattern="^[A-Z]{3}$")
    state: State
    hold_reason: str | None
    attempts: int = Field(ge=0)
    sent_reference: str
    provider_reference: str | None
    detail: str | None = Field(description="for people; it may change")
    request_sha256: str | None = Field(pattern="^[0-9a-f]{64}$")
    refund_of: str | None
    paid_at: str = Field(pattern=_TIME)
    created_at: str = Field(pattern=_TIME)
    finished_at: str | None = Field(pattern=_TIME)
    code: str | None = _CODE
    target: dict[str, Any] = Field({}, description="as it was accepted; a refund's is its settle's, once that is found")
    metadata: dict[str, Any] | None = None


class FollowUp(BaseModel):
    """A receipt or a text message of a payment."""

    source: str
    intent_id: str
    state: Literal["issued", "sent", "refused", "parked", "delivered", "undelivered"]
    detail: str | None
    answer: dict[str, Any] | None
    code: str | None = _CODE


class Account(BaseModel):
    """A biller service got an account that nobody has confirmed."""

    provider: str
    biller_service: str
    khut_type: str | None
    change: Literal["added", "changed"]
    at: str = Field(pattern=_TIME)


class Quarantined(BaseModel):
    """An entry that could not be accepted. conflict_of: the payment that its id stands for, `source/intent_id`."""

    quarantine_id: int
    reason: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    stream: str
    entry_id: str
    code: str | None = _CODE
    conflict_of: str | None = None


class Compared(BaseModel):
    """So many entries, and what they come to, here and there."""

    entries: int = Field(ge=0)
    our_books: str = Field(pattern=_SUM)
    provider_books: str = Field(pattern=_SUM)


class OfCategory(Compared):
    """Of one category. category: a word, of which new ones may come; title: the same for people."""

    category: str
    title: str


class OfCurrency(BaseModel):
    """A currency's sums, and by category."""

    currency: str = Field(pattern="^[A-Z]{3}$")
    our_books: str = Field(pattern=_SUM)
    provider_books: str = Field(pattern=_SUM)
    difference: str = Field(pattern=_SUM)
    categories: list[OfCategory]


class Carried(Compared):
    """What the night changed about earlier days."""

    currency: str = Field(pattern="^[A-Z]{3}$")


class OfAge(BaseModel):
    """Discrepancies that are open for so long: by weight (`act`, `watch`) how many, by currency what is in question."""

    age: str
    entries: dict[str, int]
    in_question: dict[str, str]


class Summary(BaseModel):
    """A night's sums: those of the report's summary.json.

    verdict: `act`, `watch`, `settled`, `agrees` or `nothing`; entries: how many of each of these but the last.
    """

    provider: str
    title: str
    day: str = Field(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    zone: str
    period_from: str
    period_to: str
    complete: bool
    missing: str | None
    unread: int
    unreadable: int
    lines: int
    verdict: str
    entries: dict[str, int]
    new: int
    open: int
    sums: list[OfCurrency]
    carried: list[Carried] = []
    open_by_age: list[OfAge]


class Recovered(BaseModel):
    """A database that had lost time goes on: send everything since then again."""

    epoch: int
    since: str = Field(pattern=_TIME)
    until: str = Field(pattern=_TIME)


class Envelope(BaseModel):
    """A CloudEvent 1.0. type decides what `data` is; new types come.

    traceparent: as it came with the intent.
    """

    specversion: Literal["1.0"]
    id: str
    source: Literal["/settlepipe"]
    type: str = Field(examples=[str(one) for one in EventType])
    subject: str
    time: str = Field(pattern=_TIME)
    datacontenttype: Literal["application/json"]
    dataschema: str | None = None
    traceparent: str | None = Field(None, pattern="^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
    data: dict[str, Any]


# By what stands behind `settlepipe.` in the type; it is also the fragment in an event's `dataschema`.
DATA: Mapping[str, type[BaseModel]] = {
    "payment": Row,
    "receipt": FollowUp,
    "sms": FollowUp,
    "account": Account,
    "intake": Quarantined,
    "reconciliation": Summary,
    "store": Recovered,
}
