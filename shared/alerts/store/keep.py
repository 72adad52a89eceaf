"""The table of what stands still."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from shared.alerts.judge import About, Figures
from shared.database import locks
from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.telemetry.alerts import Alert

_SQL = statements(__file__)

_OF_OTHERS = frozenset({Alert.SIGNED_DAY_CHANGED})  # raised by the night, cleared by the signature: nobody judges them


@dataclass(frozen=True, slots=True)
class Changes:
    """What was not there before, and what is there no more."""

    raised: list[Row]
    cleared: list[Row]


def try_lock(connection: Connection) -> bool:
    """Is it this transaction's turn to write? One at a time has it."""
    row = connection.execute("SELECT pg_try_advisory_xact_lock(%s) AS held", (locks.ALERTS,)).fetchone()
    return bool(row and row["held"])


def stood(connection: Connection) -> Row:
    """What stands, to be compared: it is the same while nobody raised or cleared anything."""
    row = connection.execute(_SQL["stood"]).fetchone()
    assert row is not None  # noqa: S101 - it is of no table
    return row


def write(connection: Connection, found: Mapping[About, Figures]) -> Changes:
    """Make the table what was found."""
    given = _given(found)
    known = [which.value for which in Alert if which not in _OF_OTHERS]
    cleared = connection.execute(_SQL["clear"], {**given, "known": known}).fetchall()
    rows = connection.execute(_SQL["raise"], given).fetchall() if found else []
    return Changes([row for row in rows if row["fresh"]], cleared)


def add(connection: Connection, found: Mapping[About, Figures]) -> None:
    """Have these stand, beside what stands."""
    connection.execute(_SQL["raise"], _given(found))


def forget(connection: Connection, days: int) -> None:
    """Delete what was cleared so many days ago."""
    connection.execute(_SQL["forget"], {"days": days})


def _given(found: Mapping[About, Figures]) -> dict[str, list[str]]:
    return {
        "names": [which.value for which, _ in found],
        "subjects": [subject for _, subject in found],
        "figures": [json.dumps(figures) for figures in found.values()],
    }
