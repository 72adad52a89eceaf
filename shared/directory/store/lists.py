"""Providers' lists (bank accounts, services): all of a refresh or nothing, rows closed with a date."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.directory.store import accounts
from shared.domain.records import DirectoryRow

_SQL = statements(__file__)


class Replaced(NamedTuple):
    """What a refresh did: rows opened and closed, and the changes of bank accounts that wait for a person."""

    opened: int
    closed: int
    changes: Sequence[Row] = ()


def lock(connection: Connection, provider: str, kind: str) -> datetime | None:
    """When the list was fetched last; nobody replaces it until the caller's transaction ends."""
    row = connection.execute(
        """INSERT INTO directory_lists AS l (provider, kind) VALUES (%s, %s)
        ON CONFLICT (provider, kind) DO UPDATE SET version = l.version RETURNING fetched_at""",
        (provider, kind),
    ).fetchone()
    return row["fetched_at"] if row else None


def fetched_at(connection: Connection, provider: str, kind: str) -> datetime | None:
    """When the list was fetched last, by the database's clock; None: never."""
    row = connection.execute(
        "SELECT fetched_at FROM directory_lists WHERE provider = %s AND kind = %s", (provider, kind)
    ).fetchone()
    return row["fetched_at"] if row else None


def is_empty(connection: Connection, provider: str, kind: str) -> bool:
    """Has the list no open row?"""
    statement = "SELECT FROM directory_rows WHERE provider = %s AND kind = %s AND closed_at IS NULL LIMIT 1"
    return connection.execute(statement, (provider, kind)).fetchone() is None


def replace(connection: Connection, provider: str, kind: str, rows: Iterable[DirectoryRow]) -> Replaced:
    """Make these the list's open rows, in the caller's transaction.

    A changed row is closed and opened again, so the history keeps both. What that means for bank accounts is kept
    and told in the same transaction.
    """
    rows = list(rows)
    given: dict[str, Any] = {
        "provider": provider,
        "kind": kind,
        "item_id": [row.item_id for row in rows],
        "key": [row.key for row in rows],
        "data": [json.dumps(row.data, ensure_ascii=False, default=str) for row in rows],
    }
    connection.execute(
        """INSERT INTO directory_lists AS l (provider, kind, version, fetched_at) VALUES (%s, %s, 1, clock())
        ON CONFLICT (provider, kind) DO UPDATE SET version = l.version + 1, fetched_at = clock(), lease_until = NULL""",
        (provider, kind),
    )
    closed = connection.execute(_SQL["replace"], given).fetchone()
    opened = connection.execute(_SQL["open"], given).rowcount
    changes = accounts.follow(connection, provider) if kind == accounts.KIND else ()
    return Replaced(opened, int(closed["n"]) if closed else 0, changes)


def lease_refresh(connection: Connection, provider: str, kind: str, lease_s: float, older_s: float) -> bool:
    """True for the one caller who should refresh a list that was never fetched or is older than `older_s`."""
    given = {"provider": provider, "kind": kind, "lease_s": lease_s, "older_s": older_s}
    return connection.execute(_SQL["lease"], given).fetchone() is not None


def lease_again(connection: Connection, provider: str, kind: str, wait_s: float) -> None:
    """A refresh failed: the next one may start after `wait_s`."""
    connection.execute(
        """UPDATE directory_lists SET lease_until = clock() + make_interval(secs => %s)
        WHERE provider = %s AND kind = %s""",
        (wait_s, provider, kind),
    )
