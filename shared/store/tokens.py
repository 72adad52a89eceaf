"""Providers' tokens: one encrypted row each, one log-in for the fleet."""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.domain.records import StoredToken
from shared.store.engine import SESSION, Database, Row, driver_url

_READ = """
SELECT version, token, refused, after_refusal, greatest(extract(epoch FROM clock() - saved_at), 0)::float8 AS age_s
FROM tokens WHERE provider = %s
"""

_SAVE = """
INSERT INTO tokens AS t (provider, version, token, after_refusal) VALUES (%s, 1, %s, %s)
ON CONFLICT (provider) DO UPDATE SET version = t.version + 1, token = excluded.token, refused = false,
    after_refusal = excluded.after_refusal, saved_at = clock()
RETURNING version, refused, after_refusal, 0::float8 AS age_s
"""


class StoredTokens:
    """Tokens shared by the fleet. Thread-safe. `keys` are Fernet keys, newest first; older ones still decrypt."""

    def __init__(self, database: Database, database_url: str, keys: Sequence[str]) -> None:
        self._database, self._url = database, database_url
        self._cipher = MultiFernet([Fernet(key) for key in keys])

    def read(self, provider: str) -> StoredToken | None:
        """The newest token; None when there is none, or none that these keys can read."""
        with self._database.connection() as connection:
            row = connection.execute(_READ, (provider,)).fetchone()
        if row is None:
            return None
        try:
            return _token(row, json.loads(self._cipher.decrypt(bytes(row["token"]))))
        except InvalidToken:
            return None

    def save(self, provider: str, token: Mapping[str, Any], after_refusal: bool) -> StoredToken:
        """Keep a token as the newest version."""
        secret = self._cipher.encrypt(json.dumps(token).encode())
        with self._database.connection() as connection:
            row = connection.execute(_SAVE, (provider, secret, after_refusal)).fetchone()
        assert row is not None  # noqa: S101 - an upsert always returns its row
        return _token(row, token)

    def invalidate(self, provider: str, version: int) -> None:
        """This version got a 401. Does nothing when a newer one is there."""
        with self._database.connection() as connection:
            connection.execute(
                "UPDATE tokens SET refused = true WHERE provider = %s AND version = %s", (provider, version)
            )

    def prove(self, provider: str, version: int) -> None:
        """A call succeeded with this version: it no longer counts as `after_refusal`, for the whole fleet."""
        with self._database.connection() as connection:
            connection.execute(
                "UPDATE tokens SET after_refusal = false WHERE provider = %s AND version = %s", (provider, version)
            )

    def try_login_lock(self, provider: str) -> Callable[[], None] | None:
        """The fleet's log-in lock, on a connection of its own so that no pool or transaction waits on HTTP.

        Gives a function that releases it, or None when someone else holds it. A killed holder frees it.
        """
        connection = psycopg.connect(driver_url(self._url), autocommit=True, **SESSION)
        key = zlib.crc32(f"settlepipe login {provider}".encode())
        try:
            row = connection.execute("SELECT pg_try_advisory_lock(715827, %s::int)", (key - (1 << 31),)).fetchone()
            held = bool(row and row[0])
        except BaseException:
            connection.close()
            raise
        if not held:
            connection.close()
            return None
        return connection.close


def _token(row: Row, token: Mapping[str, Any]) -> StoredToken:
    return StoredToken(row["version"], token, row["refused"], row["after_refusal"], row["age_s"])
