"""An event as it was put on the stream, read again. Pure."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.messaging.events_stream import BEFORE_DATA


@dataclass(frozen=True, slots=True)
class Told:
    """One event. entry_id: of the stream's entry. data: the text of its `data`, to the byte.

    payment_id, number: of a payment's event; None for others.
    """

    entry_id: str
    event_id: str
    type: str
    subject: str
    at: datetime
    data: str
    payment_id: int | None
    number: int | None

    @property
    def fields(self) -> dict[str, Any]:
        """Its `data`."""
        found: dict[str, Any] = json.loads(self.data)
        return found


def read(entry_id: str, text: str) -> Told | None:
    """The event in an entry; None for what we did not write."""
    try:
        event = json.loads(text)
        _, found, data = text.partition(BEFORE_DATA)
        if not found or json.loads(data[:-1]) != event["data"]:
            return None
        payment_id, number = _named(event["id"])
        at = datetime.fromisoformat(event["time"])
        return Told(entry_id, event["id"], event["type"], event["subject"], at, data[:-1], payment_id, number)
    except (ValueError, KeyError, TypeError):
        return None


def _named(event_id: str) -> tuple[int, int] | tuple[None, None]:
    """The payment and the number in `<payment>-<number>`, or in that behind an epoch; none in another event's name."""
    parts = event_id.split("-")
    if len(parts) not in (2, 3) or not all(part.isascii() and part.isdigit() for part in parts):
        return None, None
    return int(parts[-2]), int(parts[-1])
