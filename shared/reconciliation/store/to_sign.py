"""Signed days that changed since, and are signed again. Each stands as an alert from the night that changed it until it
is signed by two as it is: that row is also the list of them, since to find out reads all that was found about a day."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.domain.discrepancies import short
from shared.reconciliation.store import signatures
from shared.reconciliation.store.signatures import SignedDay
from shared.telemetry.alerts import Alert

_SQL = statements(__file__)


def turn(connection: Connection, provider: str) -> None:
    """Whoever signs a day of this provider, and the night that changes one, look one after the other until their
    transactions end: each sees what the other wrote. Behind whatever else the caller locks."""
    connection.execute(_SQL["turn"], {"provider": provider})


def note(connection: Connection, provider: str) -> Sequence[Row]:
    """Have those stand that are to be signed again, and no others: in the transaction in which a night changed them. A
    day that is being compared stays as it was. Those that are new: subject and figures."""
    turn(connection, provider)
    span = connection.execute(_SQL["signed"], {"provider": provider}).fetchone()
    if span is None or span["first"] is None:
        return ()
    return _keep(connection, signatures.days(connection, provider, span["first"], span["last"]))


def note_day(connection: Connection, provider: str, day: date) -> None:
    """The same of one day: in the transaction of its signature."""
    _keep(connection, [signatures.of_day(connection, provider, day)])


def _keep(connection: Connection, found: Sequence[SignedDay]) -> Sequence[Row]:
    told = [one for one in found if one.books]
    again = [one for one in told if _again(one)]
    given: dict[str, Any] = {"name": Alert.SIGNED_DAY_CHANGED.value}
    connection.execute(_SQL["clear"], given | {"subjects": [_subject(one) for one in told if not _again(one)]})
    figures = [json.dumps({"next": one.next, "books": short(one.books)}) for one in again]
    given |= {"subjects": [_subject(one) for one in again], "figures": figures}
    rows = connection.execute(_SQL["raise"], given).fetchall()
    return [row for row in rows if row["fresh"]]


def _subject(one: SignedDay) -> str:
    return f"{one.provider}/{one.day}"


def _again(one: SignedDay) -> bool:
    """It changed since it was signed; or it did, and a signature of what it is now is missing."""
    return one.again or (one.next is not None and one.last is not None and one.last.version > 1)
