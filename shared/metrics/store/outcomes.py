"""What became of payments in a stretch of time, by the events that tell of it."""

from dataclasses import dataclass
from datetime import datetime

from shared.database.engine import Connection
from shared.database.statements import statements
from shared.events.types import EventType

_SQL = statements(__file__)

_FIELDS = {
    EventType.PAYMENT_ACCEPTED.value: "accepted",
    EventType.PAYMENT_SUCCEEDED.value: "succeeded",
    EventType.PAYMENT_REFUSED.value: "refused",
    EventType.PAYMENT_CANCELLED.value: "cancelled",
    EventType.PAYMENT_PARKED.value: "parked",
}


@dataclass(frozen=True, slots=True)
class Hour:
    """How many payments were accepted, came to each end, and were parked."""

    accepted: int = 0
    succeeded: int = 0
    refused: int = 0
    cancelled: int = 0
    parked: int = 0


def outcomes(connection: Connection, begins: datetime, ends: datetime) -> Hour:
    """Takes as long as there were events then."""
    given = {"begins": begins, "ends": ends, "types": list(_FIELDS)}
    rows = connection.execute(_SQL["outcomes"], given).fetchall()
    return Hour(**{_FIELDS[row["type"]]: int(row["payments"]) for row in rows})


def moment(connection: Connection) -> datetime:
    """The database's time."""
    row = connection.execute(_SQL["moment"]).fetchone()
    assert row is not None  # noqa: S101 - it has no table
    found: datetime = row["now"]
    return found
