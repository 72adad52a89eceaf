"""What the store keeps of a provider besides payments: rows of its lists, its token, reports of delivery, its books."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class DirectoryRow:
    """One row of a provider's list. item_id is the provider's own id of it, key is what it is looked up by."""

    item_id: str
    key: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token that the fleet shares. refused: this version got a 401. after_refusal: it replaced one that did.

    age_s: seconds since it was saved, by the database's clock.
    """

    version: int
    token: Mapping[str, Any] = field(repr=False)
    refused: bool
    after_refusal: bool
    age_s: float


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What is said of one number of a sent message.

    status: 0 sent, 1 received, 2 not delivered, 3 awaited, 4 error; 1, 2 and 4 are final.
    """

    number: str = field(repr=False)
    status: int


UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class BookLine:
    """One line of the provider's books, as it is kept for the comparison.

    kind: `payment` (money added), `other` (a correction, a transfer), `total` (an invoice's running total), or
    UNREADABLE: a row that could not be read, which is counted and not kept; its marker is any text in it that may be a
    reference of ours.
    account: what it stands under (the target's books key without the provider's name). marker: the text where our
    reference stands. at: aware; None where the books do not tell. touched: read because payments of ours stand
    under this account, so all of its lines are there.
    """

    kind: str
    account: str
    marker: str | None
    amount_minor: int
    currency: str
    at: datetime | None
    reference: str | None
    status: str | None
    touched: bool


@dataclass(frozen=True, slots=True)
class Period:
    """From `start`, before `end`; aware. zone: the provider's, an IANA name."""

    start: datetime
    end: datetime
    zone: str
