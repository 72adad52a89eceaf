"""The providers' lists as other rooms read them: the open rows, their versions, the bank accounts for people."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from threading import Lock
from time import monotonic
from typing import Any

from shared.database.engine import Connection, Database, Row
from shared.database.statements import statements
from shared.directory.store import accounts

_SQL = statements(__file__)


def shown(connection: Connection, provider: str | None, *, closed: bool) -> list[Row]:
    """The accounts as people and programs see them, of one provider or all; closed: also those that are no more."""
    return connection.execute(_SQL["shown"], {"provider": provider, "closed": closed}).fetchall()


def to_decide(connection: Connection, service: str | None, limit: int, skip: int) -> list[Row]:
    """Up to `limit` open accounts that wait for a person, behind the first `skip`; of a service, of its open ones."""
    return connection.execute(_SQL["to_decide"], {"service": service, "limit": limit, "skip": skip}).fetchall()


def versions(connection: Connection) -> dict[tuple[str, str], int]:
    """The version of each list; it grows with each refresh, and when one of its accounts is confirmed."""
    rows = connection.execute("SELECT provider, kind, version FROM directory_lists").fetchall()
    return {(row["provider"], row["kind"]): row["version"] for row in rows}


class CachedDirectory:
    """One provider's open rows, kept in the process and read again when a refresh, or a person, changed them.

    A bank account that waits for a person has `confirmed` false. Thread-safe. At most `fresh_s` seconds behind the
    database.
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
            self._look_if_stale()
            return self._rows.get((kind, key), ())

    def fetched(self, kind: str) -> bool:
        """Has list `kind` ever been fetched?"""
        with self._lock:
            self._look_if_stale()
            return self._versions.get((self._provider, kind), 0) > 0  # 0: somebody is only about to

    def _look_if_stale(self) -> None:
        if monotonic() - self._looked_at > self._fresh_s:
            self._look()

    def _look(self) -> None:
        with self._database.connection() as connection:
            now = {k: v for k, v in versions(connection).items() if k[0] == self._provider}
            if now != self._versions:
                self._rows = _read(connection, self._provider)
                self._versions = now
        self._looked_at = monotonic()


def _read(connection: Connection, provider: str) -> Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]:
    rows = connection.execute(_SQL["rows"], {"provider": provider, "accounts": accounts.KIND}).fetchall()
    filed: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        filed[row["kind"], row["key"]].append(row["data"])
    return filed
