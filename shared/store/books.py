"""Our own books, as far as an adapter's check needs them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shared.domain.payment import Payment
from shared.store.engine import Database
from shared.store.rows import PAYMENT_COLUMNS, payment


class StoredBooks:
    """Reads of our own payments for checks. Thread-safe; each call is one read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def net_minor(self, exclusive_key: str) -> int:
        """Succeeded settles less succeeded refunds under this key, in minor units."""
        with self._database.connection() as connection:
            row = connection.execute(
                """SELECT coalesce(sum(CASE operation WHEN 'settle' THEN amount_minor ELSE -amount_minor END), 0) AS net
                FROM payments WHERE exclusive_key = %s AND state = 'succeeded'""",
                (exclusive_key,),
            ).fetchone()
        return int(row["net"]) if row else 0

    def successes(self, provider: str, target: Mapping[str, Any]) -> Sequence[Payment]:
        """Succeeded payments whose target contains `target`."""
        with self._database.connection() as connection:
            rows = connection.execute(
                f"""SELECT {PAYMENT_COLUMNS} FROM payments p
                WHERE p.provider = %s AND p.state = 'succeeded' AND p.target @> %s::jsonb ORDER BY p.id""",
                (provider, json.dumps(target)),
            ).fetchall()
        return [payment(row) for row in rows]

    def knows(self, provider: str, fact: str) -> bool:
        """Has this fact about the provider been seen?"""
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT 1 AS one FROM provider_facts WHERE provider = %s AND fact = %s", (provider, fact)
            ).fetchone()
        return row is not None

    def learn(self, provider: str, fact: str) -> None:
        """Keep a fact that evidence showed."""
        with self._database.connection() as connection:
            connection.execute(
                "INSERT INTO provider_facts (provider, fact) VALUES (%s, %s) ON CONFLICT DO NOTHING", (provider, fact)
            )
