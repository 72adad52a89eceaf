"""How webhooks stand, for people and programs."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.database.engine import Connection, Row
from shared.database.statements import statements

_SQL = statements(__file__)


@dataclass(frozen=True, slots=True)
class Standing:
    """A webhook. gave_up: it was disabled by itself, for `because`. failing_s: since an event failed first that is not
    delivered yet; oldest_s: the age of the oldest one that isn't; both 0 where there is none."""

    number: int
    source: str
    delivered: int
    runs: bool
    gave_up: bool
    because: str | None
    failing_s: float
    oldest_s: float

    @property
    def name(self) -> str:
        """As alerts call it."""
        return f"{self.source}/{self.number}"


def listed(connection: Connection, number: int | None = None) -> list[Row]:
    """Every webhook by its source, or this one alone; no secrets."""
    return connection.execute(_SQL["listed"], {"id": number}).fetchall()


def waiting(connection: Connection, number: int, limit: int) -> list[Row]:
    """The events that others overtook, the oldest first."""
    return connection.execute(_SQL["waiting"], {"id": number, "limit": limit}).fetchall()


def secrets(connection: Connection, number: int) -> list[bytes]:
    """Those that sign now, encrypted, the newest first."""
    return [bytes(row["secret"]) for row in connection.execute(_SQL["secrets"], {"id": number}).fetchall()]


def standing(connection: Connection) -> Sequence[Standing]:
    """How each stands."""
    return [
        Standing(
            row["id"],
            row["source"],
            row["delivered"],
            row["runs"],
            row["gave_up"],
            row["disabled_because"],
            max(0.0, row["failing_s"]) if row["runs"] else 0.0,
            max(0.0, row["oldest_s"]) if row["runs"] else 0.0,
        )
        for row in connection.execute(_SQL["standing"]).fetchall()
    ]
