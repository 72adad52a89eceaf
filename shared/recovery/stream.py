"""stream: what upstream was told, and this database does not know. Reads only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import redis

from shared.database.engine import Connection
from shared.domain.payment import FINAL
from shared.events import outbox
from shared.messaging import events_stream, told
from shared.messaging.told import Told
from shared.recovery.store import known

_PAGE = 500
_PAYMENT = "settlepipe.payment."


@dataclass(frozen=True, slots=True)
class Lost:
    """A payment's events that the database does not have, the oldest first."""

    events: list[Told] = field(default_factory=list)

    @property
    def newest(self) -> Told | None:
        """The last one that tells of the payment itself (and not of what follows it)."""
        own = [event for event in self.events if event.type.startswith(_PAYMENT)]
        return own[-1] if own else None

    @property
    def of(self) -> str | None:
        """The intent id of the settle that a refund names; None: it is no refund, or not told."""
        return self.newest.fields.get("refund_of") if self.newest else None

    @property
    def final(self) -> Told | None:
        """The one that told its end; a `disputed` after it changes nothing of that."""
        ends = [event for event in self.events if event.type.removeprefix(_PAYMENT) in FINAL]
        return ends[-1] if ends else None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the stream shows behind what this database knows of it.

    lost: by subject (`<source>/<intent_id>`). last: the id of the stream's last entry. unbroken: the entry that this
    database knows is still there, so nothing behind it is missing.
    """

    lost: Mapping[str, Lost]
    last: str
    unbroken: bool


def unknown(connection: Connection, client: "redis.Redis", after: str | None) -> Iterator[Told]:
    """The events behind the entry `after` that this database does not have. Raises redis.RedisError."""
    position = after or "0-0"
    while True:
        page = events_stream.events_between(client, position, _PAGE)
        if not page:
            return
        read = [event for entry_id, text in page if (event := told.read(entry_id, text)) is not None]
        yield from known.missing(connection, read)
        position = page[-1][0]


def shown(connection: Connection, client: "redis.Redis") -> Shown:
    """Read the stream behind what this database knows of it. Raises redis.RedisError."""
    position, last = outbox.position(connection), events_stream.last_id(client)
    unbroken = events_stream.holds(client, position) if position is not None else known.is_new(connection)
    lost: dict[str, Lost] = {}
    for event in unknown(connection, client, position):
        if event.payment_id is not None:
            lost.setdefault(event.subject, Lost()).events.append(event)
    return Shown(lost, last, unbroken)
