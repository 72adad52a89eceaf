"""The one clock: the database's. Processes on many machines agree on it."""

from datetime import datetime

from shared.database.engine import Connection


def now(connection: Connection) -> datetime:
    """The database's clock, aware, UTC."""
    row = connection.execute("SELECT clock() AS now").fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM always has a row
    moment: datetime = row["now"]
    return moment
