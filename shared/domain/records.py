"""What the store keeps of a provider besides payments: rows of its lists, its token, reports of delivery."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
