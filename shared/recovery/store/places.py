"""Where the store is, and what begins with an epoch."""

from datetime import datetime

from shared.database.engine import Connection
from shared.database.statements import statements
from shared.events.types import EventType, literal, written

_SQL = statements(__file__)

_TOLD = written(
    id="'s' || %(epoch)s || '-1'",
    type=literal(EventType.STORE_RECOVERED),
    subject="'-'",
    data="json_build_object('epoch', %(epoch)s::int, 'since', utc_text(%(since)s), 'until', utc_text(clock()))",
    rows="",
)


def move(connection: Connection) -> None:
    """The server that answers is the one from now on."""
    connection.execute(_SQL["move"])


def recovered(connection: Connection, remembered_epoch: int) -> int:
    """The store goes on, in a new epoch: above its own and above what anybody remembers. Its number."""
    row = connection.execute(_SQL["recovered"], {"epoch": remembered_epoch}).fetchone()
    assert row is not None  # noqa: S101 - the migrations put the row there
    epoch = int(row["epoch"])
    connection.execute(_SQL["jump"], {"epoch": epoch})
    return epoch


def relayed(connection: Connection, entry_id: str) -> None:
    """All that is on the stream up to this entry is known here."""
    connection.execute(_SQL["relayed"], {"entry_id": entry_id})


def tell(connection: Connection, epoch: int, since: datetime) -> None:
    """Tell upstream that everything since then is to be put on the queue again."""
    connection.execute(_TOLD, {"epoch": epoch, "since": since})
