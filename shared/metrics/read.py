"""What PostgreSQL says, each answer of one moment."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

import psycopg

from shared.database.engine import Connection, Database
from shared.metrics.store import outcomes as ended
from shared.metrics.store.counted import AT_RISK, AtRisk, Counted, Open, at_risk, at_risk_within, counted
from shared.metrics.store.jobs import runs
from shared.metrics.store.outcomes import Hour
from shared.metrics.store.snapshot import snapshot
from shared.metrics.store.standing import Standing, standing

__all__ = [
    "AT_RISK",
    "AtRisk",
    "Counted",
    "Hour",
    "Open",
    "Standing",
    "at_risk",
    "at_risk_within",
    "count",
    "moment",
    "outcomes",
    "runs",
    "stand",
]

T = TypeVar("T")


def count(database: Database, statement_s: float) -> Counted:
    """What has to be counted row by row: takes as long as there are rows, and each statement so long at most. Raises
    what the database raises."""
    with snapshot(database, statement_s) as connection:
        return counted(connection)


def stand(
    database: Database, rates: Mapping[str, float | None], statement_s: float, also: Callable[[Connection], T]
) -> tuple[Standing, T]:
    """What stands in a row or a few, and what `also` reads at the same moment. rates: of each lane that is told of, in
    payments a second; None: it has none. Raises what the database raises."""
    with snapshot(database, statement_s) as connection:
        return standing(connection, rates), also(connection)


def outcomes(database: Database, begins: datetime, ends: datetime, statement_s: float) -> Hour | None:
    """What became of payments then; None where that are too many to be counted in time. Raises what the database
    raises."""
    try:
        with snapshot(database, statement_s) as connection:
            return ended.outcomes(connection, begins, ends)
    except psycopg.errors.QueryCanceled:
        return None


def moment(database: Database) -> datetime:
    """The database's time, in UTC."""
    with database.connection() as connection:
        return ended.moment(connection)
