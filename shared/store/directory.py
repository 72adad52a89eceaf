"""Providers' lists (bank accounts, services): all of a refresh or nothing, rows closed with a date."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from time import monotonic
from typing import Any

from shared.domain.records import DirectoryRow
from shared.store.engine import Connection, Database

_REPLACE = """
WITH fresh AS (
    SELECT * FROM unnest(%(item_id)s::text[], %(key)s::text[], %(data)s::jsonb[]) AS t(item_id, key, data)
), closed AS (
    UPDATE directory_rows r SET closed_at = clock()
    WHERE provider = %(provider)s AND kind = %(kind)s AND closed_at IS NULL
        AND NOT EXISTS (SELECT FROM fresh f WHERE f.item_id = r.item_id AND f.key = r.key AND f.data = r.data)
    RETURNING id
) SELECT count(*) AS n FROM closed
"""

_OPEN = """
INSERT INTO directory_rows (provider, kind, item_id, key, data)
SELECT %(provider)s, %(kind)s, f.item_id, f.key, f.data
FROM unnest(%(item_id)s::text[], %(key)s::text[], %(data)s::jsonb[]) AS f(item_id, key, data)
WHERE NOT EXISTS (SELECT FROM directory_rows r WHERE r.provider = %(provider)s AND r.kind = %(kind)s
                  AND r.closed_at IS NULL AND r.item_id = f.item_id)
"""

_LEASE = """
INSERT INTO directory_lists AS l (provider, kind, lease_until)
VALUES (%(provider)s, %(kind)s, clock() + make_interval(secs => %(lease_s)s))
ON CONFLICT (provider, kind) DO UPDATE SET lease_until = excluded.lease_until
WHERE (l.fetched_at IS NULL OR l.fetched_at < clock() - make_interval(secs => %(older_s)s))
    AND (l.lease_until IS NULL OR l.lease_until < clock())
RETURNING provider
"""


def replace(connection: Connection, provider: str, kind: str, rows: Iterable[DirectoryRow]) -> tuple[int, int]:
    """Make these the list's open rows, in the caller's transaction; (opened, closed) rows.

    A changed row is closed and opened again, so the history keeps both.
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
    closed = connection.execute(_REPLACE, given).fetchone()
    opened = connection.execute(_OPEN, given).rowcount
    return opened, int(closed["n"]) if closed else 0


def lease_refresh(connection: Connection, provider: str, kind: str, lease_s: float, older_s: float) -> bool:
    """True for the one caller who should refresh a list that was never fetched or is older than `older_s`."""
    given = {"provider": provider, "kind": kind, "lease_s": lease_s, "older_s": older_s}
    return connection.execute(_LEASE, given).fetchone() is not None


def lease_again(connection: Connection, provider: str, kind: str, wait_s: float) -> None:
    """A refresh failed: the next one may start after `wait_s`."""
    connection.execute(
        """UPDATE directory_lists SET lease_until = clock() + make_interval(secs => %s)
        WHERE provider = %s AND kind = %s""",
        (wait_s, provider, kind),
    )


def versions(connection: Connection) -> dict[tuple[str, str], int]:
    """The version of each list; it grows with each refresh."""
    rows = connection.execute("SELECT provider, kind, version FROM directory_lists").fetchall()
    return {(row["provider"], row["kind"]): row["version"] for row in rows}


class CachedDirectory:
    """One provider's open rows, kept in the process and read again when a refresh changed them.

    Thread-safe. At most `fresh_s` seconds behind the database.
    """

    def __init__(self, database: Database, provider: str, fresh_s: float = 1.0) -> None:
        self._database, self._provider, self._fresh_s = database, provider, fresh_s
        self._lock = Lock()
        self._looked_at = float("-inf")
        self._versions: dict[tuple[str, str], int] = {}
        self._rows: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]] = {}

    def rows(self, kind: str, key: str) -> Sequence[Mapping[str, Any]]:
        """The open rows of list `kind` filed under `key`."""
        with self._lock:
            if monotonic() - self._looked_at > self._fresh_s:
                self._look()
            return self._rows.get((kind, key), ())

    def _look(self) -> None:
        with self._database.connection() as connection:
            now = {k: v for k, v in versions(connection).items() if k[0] == self._provider}
            if now != self._versions:
                self._rows = _read(connection, self._provider)
                self._versions = now
        self._looked_at = monotonic()


def _read(connection: Connection, provider: str) -> Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]:
    rows = connection.execute(
        "SELECT kind, key, data FROM directory_rows WHERE provider = %s AND closed_at IS NULL ORDER BY item_id",
        (provider,),
    ).fetchall()
    filed: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        filed[row["kind"], row["key"]].append(row["data"])
    return filed
