"""Providers' tokens: one encrypted row each, one log-in for the fleet."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.database import leases, locks
from shared.database.engine import Database, Row
from shared.database.statements import statements
from shared.domain.records import StoredToken

_SQL = statements(__file__)


# The longest that a log-in may take: a renewal and a log-in, each with its HTTP deadline. Whoever takes longer stands
# still, and others log in.
LOGIN_S = 90.0


class StoredTokens:
    """Tokens shared by the fleet. Thread-safe. `keys` are Fernet keys, newest first; older ones still decrypt.

    login_s: a log-in that takes longer loses its right to be the only one.
    """

    def __init__(self, database: Database, keys: Sequence[str], *, login_s: float = LOGIN_S) -> None:
        self._database, self._login_s = database, login_s
        self._replaces: dict[str, int] = {}  # the version that a log-in under way found, 0 for none
        self._cipher = MultiFernet([Fernet(key) for key in keys])

    def read(self, provider: str) -> StoredToken | None:
        """The newest token; None when there is none, or none that these keys can read."""
        with self._database.connection() as connection:
            row = connection.execute(_SQL["read"], (provider,)).fetchone()
        if row is None:
            return None
        try:
            return _token(row, json.loads(self._cipher.decrypt(bytes(row["token"]))))
        except InvalidToken:
            return None

    def save(self, provider: str, token: Mapping[str, Any], after_refusal: bool) -> StoredToken:
        """Keep a token as the newest version, and give it back.

        A log-in that stood still so long that another one was made meanwhile replaces nothing: then the newer token is
        given back.
        """
        secret = self._cipher.encrypt(json.dumps(token).encode())
        found = self._replaces.get(provider)
        with self._database.connection() as connection:
            row = connection.execute(_SQL["save"], (provider, secret, after_refusal, found, found)).fetchone()
        if row is not None:
            return _token(row, token)
        newer = self.read(provider)
        if newer is None or newer.refused:  # it can't be read with our keys, or is no good: ours is
            self._replaces.pop(provider, None)
            return self.save(provider, token, after_refusal)
        # Ours was made later, and may have revoked it: a 401 says nothing of the credentials.
        self.prove(provider, newer.version)
        return replace(newer, after_refusal=False)

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
        """The fleet's log-in lock: a lease, so that no connection or transaction waits on HTTP.

        Gives a function that releases it, or None when someone else holds it. A killed holder frees it within seconds,
        one that stands still, too, one that takes long after `login_s`; what it saves later replaces no newer token.
        """
        with self._database.connection() as connection:
            lease = leases.take(connection, locks.login(provider), min(self._login_s, leases.LENGTH_S))
        if lease is None:
            return None
        with ExitStack() as held:
            held.enter_context(leases.kept(self._database, lease, self._login_s))
            with self._database.connection() as connection:
                row = connection.execute("SELECT version FROM tokens WHERE provider = %s", (provider,)).fetchone()
            self._replaces[provider] = row["version"] if row else 0
            held.callback(self._replaces.pop, provider, None)
            return held.pop_all().close


def _token(row: Row, token: Mapping[str, Any]) -> StoredToken:
    return StoredToken(row["version"], token, row["refused"], row["after_refusal"], row["age_s"])
