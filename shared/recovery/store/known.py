"""Which of the events that stand on the stream this database has."""

from collections.abc import Sequence

from shared.database.engine import Connection
from shared.database.statements import statements
from shared.messaging.told import Told

_SQL = statements(__file__)


def missing(connection: Connection, told: Sequence[Told]) -> list[Told]:
    """Those that it has not, in their order. One with the same id and another type is another one."""
    if not told:
        return []
    given = {
        "place": list(range(len(told))),
        "event_id": [event.event_id for event in told],
        "type": [event.type for event in told],
        "payment_id": [event.payment_id for event in told],
    }
    return [told[row["place"]] for row in connection.execute(_SQL["missing"], given).fetchall()]


def is_new(connection: Connection) -> bool:
    """Does it hold no payment at all?"""
    row = connection.execute(_SQL["is_new"]).fetchone()
    return bool(row and row["new"])
