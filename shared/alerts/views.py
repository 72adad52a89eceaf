"""What stands still, for people and programs."""

from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.telemetry.alerts import Alert

_SQL = statements(__file__)


def listed(connection: Connection, *, everything: bool) -> list[Row]:
    """Those that stand, the oldest first; everything: the cleared ones, too."""
    return connection.execute(_SQL["listed"], {"everything": everything}).fetchall()


def cleared(connection: Connection, limit: int) -> list[Row]:
    """The last `limit` that were cleared, the newest first."""
    return connection.execute(_SQL["cleared"], {"limit": limit}).fetchall()


def stands(connection: Connection, which: Alert) -> bool:
    """Does it stand now, about whatever?"""
    return connection.execute(_SQL["stands"], {"name": which.value}).fetchone() is not None
