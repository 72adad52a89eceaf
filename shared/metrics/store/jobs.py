"""The runs of periodic jobs, as people are shown them."""

from shared.database.engine import Connection, Row
from shared.database.statements import statements

_SQL = statements(__file__)


def runs(connection: Connection, skip: int, limit: int) -> list[Row]:
    """Up to `limit`, the newest slot first, behind the first `skip`."""
    return connection.execute(_SQL["runs"], {"skip": skip, "limit": limit}).fetchall()
