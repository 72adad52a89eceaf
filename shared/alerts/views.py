"""What stands still, for people and programs."""

from shared.database.engine import Connection, Row
from shared.database.statements import statements

_SQL = statements(__file__)


def listed(connection: Connection, *, everything: bool) -> list[Row]:
    """Those that stand, the oldest first; everything: the cleared ones, too."""
    return connection.execute(_SQL["listed"], {"everything": everything}).fetchall()
