"""What people change of webhooks."""

from datetime import datetime

from shared.database.engine import Connection, Row
from shared.database.statements import statements

_SQL = statements(__file__)


def lock_source(connection: Connection, source: str) -> int:
    """Until the transaction ends nobody else adds one of this source; how many it has."""
    connection.execute(_SQL["lock"], {"source": source})
    row = connection.execute(_SQL["count"], {"source": source}).fetchone()
    return int(row["n"]) if row else 0


def add(connection: Connection, source: str, url: str, position: int, by: str) -> int:
    given = {"source": source, "url": url, "position": position, "by": by}
    row = connection.execute(_SQL["add"], given).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row
    return int(row["id"])


def between(connection: Connection, since: datetime, until: datetime | None) -> tuple[int, int] | None:
    """The first and the last event of a time; None: there is none."""
    row = connection.execute(_SQL["range"], {"since": since, "until": until}).fetchone()
    return None if row is None or row["first"] is None else (row["first"], row["last"])


def keep_secret(connection: Connection, number: int, secret: bytes) -> None:
    connection.execute(_SQL["secret"], {"id": number, "secret": secret})


def rotate_out(connection: Connection, number: int, overlap_s: float) -> None:
    """The newest secret signs for so long yet; `keep_secret` has to follow."""
    connection.execute(_SQL["rotate_out"], {"id": number, "overlap_s": overlap_s})


def locked(connection: Connection, number: int) -> Row | None:
    """Nobody else changes it until the transaction ends."""
    return connection.execute(_SQL["locked"], {"id": number}).fetchone()


def replay(connection: Connection, number: int, first: int, last: int) -> int:
    """How many events that is."""
    given = {"id": number, "first": first, "last": last}
    row = connection.execute(_SQL["count_range"], given).fetchone()
    if row is None or not row["n"]:
        return 0
    connection.execute(_SQL["replay"], given)
    return int(row["n"])


def enable(connection: Connection, number: int, *, skip: bool) -> int:
    """skip: what failed is not tried again; how many events that are."""
    skipped = connection.execute(_SQL["skip"], {"id": number}).rowcount if skip else 0
    connection.execute(_SQL["anew"], {"id": number})
    connection.execute(_SQL["enable"], {"id": number})
    return skipped


def disable(connection: Connection, number: int, reason: str, by: str | None) -> None:
    connection.execute(_SQL["disable"], {"id": number, "reason": reason, "by": by})


def remove(connection: Connection, number: int) -> None:
    connection.execute(_SQL["remove"], {"id": number})
