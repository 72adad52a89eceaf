"""What requests and answers look like, for the OpenAPI document. Objects are open: keys are only added."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from shared.schemas import Envelope, Row


class Mistake(BaseModel):
    """One thing that is wrong with an intent, or a parameter."""

    code: str = Field(description="docs/codes.md")
    place: str = Field(description="the field, like target.account_id; empty: the whole")
    detail: str


class ProblemDocument(BaseModel):
    """RFC 9457. digest, digest_before: of a conflict, the SHA-256 of this content, and of that which has the id."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    mistakes: list[Mistake] | None = None
    digest: str | None = None
    digest_before: str | None = None
    payment: str | None = None


class TakenDocument(BaseModel):
    """The intent is committed. duplicate: it was before, and nothing changed."""

    status: Literal[202]
    id: str
    source: str
    duplicate: bool
    digest: str
    payment: str = Field(description="path of the payment")


class BatchDocument(BaseModel):
    """What became of each intent, in the order in which they stood: what each would have been answered alone."""

    results: list[TakenDocument | ProblemDocument]


class PaymentDocument(Row):
    """A payment's row, where it stands, and its history."""

    possibly_sent: bool
    due_at: str | None
    deadline: str | None
    next: str | None
    history: list[dict[str, Any]]


class PaymentsDocument(BaseModel):
    """A page. next: what to give as `after` for the next one; null: this was the last."""

    payments: list[Row]
    next: str | None


class EventsDocument(BaseModel):
    """A page of events, as they stand on the events stream. next: what to give as `after` for the next one, always.
    more: there may be more. False: all that was committed before the request is told."""

    events: list[Envelope]
    next: str
    more: bool


class Reason(BaseModel):
    """Why a payment is cancelled; kept for ever."""

    model_config = {"extra": "forbid", "strict": True}

    reason: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")


class CancelledDocument(BaseModel):
    """It is cancelled: nothing was sent, and nothing will be."""

    source: str
    intent_id: str
    state: Literal["cancelled"]


class ParameterDocument(BaseModel):
    """A parameter of a look-up, which goes into the query."""

    name: str
    type: Literal["str", "int", "bool"]
    required: bool
    help: str


class OfferedDocument(BaseModel):
    """A look-up that this source may ask for."""

    path: str
    help: str
    parameters: list[ParameterDocument]


class LookupsDocument(BaseModel):
    """All that may be looked up."""

    lookups: list[OfferedDocument]


class LookedUpDocument(BaseModel):
    """What the provider said. answer: as `settlepipe lookup PROVIDER NAME --json` tells it, in whatever form it has."""

    answer: Any
