"""The events of one source, in order, for who asks instead of listening to the stream.

A position is an event's id. Ids are given before their transactions commit, so an event may come to be seen after one
with a higher id; a reader who had gone past it would never see it. So nobody reads beyond the horizon: the highest id
of which it is sure that all below it are there, or never will be.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.events.types import EventType

_SQL = statements(__file__)
_SCANNED = 5000  # events looked at for one page: most are other sources'


@dataclass(frozen=True, slots=True)
class Page:
    """events: rows of the outbox. position: behind which to go on. more: there may be more at once."""

    events: Sequence[Row]
    position: int
    more: bool


class Horizon:
    """One process's view of it. Thread-safe.

    Whoever writes an event holds a lock on the table from before its id is given until its transaction ends. So look
    at the highest id that is there, then at who is writing; when all of these have ended, what is below is settled.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sure = 0
        self._awaited: tuple[int, frozenset[str]] | None = None

    @property
    def settled(self) -> bool:
        """Was nobody writing when it was looked last, or are all of these done?"""
        return self._awaited is None

    def look(self, connection: Connection) -> int:
        """The horizon now; it grows with each look. connection: in autocommit."""
        with self._lock:
            if self._awaited is not None:
                highest, writers = self._awaited
                writers &= _writers(connection)
                self._awaited = (highest, writers) if writers else None
                self._sure = self._sure if writers else highest
            if self._awaited is None:
                highest = _highest(connection)
                writers = _writers(connection)
                if writers:
                    self._awaited = (highest, writers)
                    self._sure = min(self._sure, highest)  # a database that came back older
                else:
                    self._sure = highest
            return self._sure


def page(connection: Connection, source: str, after: int, horizon: int, limit: int) -> Page:
    """Up to `limit` events of this source behind `after`, and those that are everybody's. It may be empty and there be
    more: other sources' events are gone past. None that the relay has not carried yet: what was told is on the stream,
    too, from which a database that lost time learns of it."""
    first = connection.execute(_SQL["uncarried"], {"after": after}).fetchone()
    if first is not None and first["id"] is not None:
        horizon = min(horizon, first["id"] - 1)
    given: dict[str, Any] = {"source": source, "after": after, "horizon": horizon, "scanned": _SCANNED, "limit": limit}
    given |= {"everybodys": EventType.STORE_RECOVERED}
    found = connection.execute(_SQL["page"], given).fetchall()
    n, last = found[0]["n"], found[0]["last"]
    rows = [row for row in found if row["id"] is not None]
    if len(rows) == limit:
        return Page(rows, rows[-1]["id"], more=True)
    if n == _SCANNED:
        return Page(rows, last, more=True)
    return Page(rows, max(after, horizon), more=False)


def held(connection: Connection, source: str, position: int) -> bool:
    """Behind the position of a page that had all there was: may there be an event of this source that is committed, and
    not told yet? False: whatever was committed before this was asked is told."""
    given: dict[str, Any] = {"source": source, "after": position, "scanned": _SCANNED}
    row = connection.execute(_SQL["held"], given | {"everybodys": EventType.STORE_RECOVERED}).fetchone()
    return row is not None and bool(row["held"])


def _highest(connection: Connection) -> int:
    row = connection.execute(_SQL["highest"]).fetchone()
    return int(row["id"]) if row else 0


def _writers(connection: Connection) -> frozenset[str]:
    return frozenset(row["virtualtransaction"] for row in connection.execute(_SQL["writers"]).fetchall())
