"""Our own books, as far as an adapter's check needs them."""

from collections.abc import Set

from shared.archive.twins import every
from shared.database.engine import Database
from shared.database.rows import PAYMENT_COLUMNS, SIGNED_MINOR, payment
from shared.domain.payment import Payment
from shared.payments.store import lost_time

_PAYMENTS = every("payments")
# What only a person says succeeded need not stand in the provider's books.
_BY_PROVIDER = f"""p.state = 'succeeded' AND p.books_key IS NOT NULL
    AND NOT EXISTS (SELECT FROM {every("resolutions")} r WHERE r.payment_id = p.id AND r.action = 'succeeded')"""
_SUCCEEDED = f"SELECT p.sent_reference FROM {_PAYMENTS} p WHERE p.books_key = %s AND {_BY_PROVIDER}"
_LATEST_SUCCESS = f"""
SELECT {PAYMENT_COLUMNS} FROM {_PAYMENTS} p
WHERE p.provider = %s AND starts_with(p.books_key, %s) AND {_BY_PROVIDER} ORDER BY p.finished_at DESC LIMIT 1
"""


class StoredBooks:
    """Reads of our own payments for checks, however old. Thread-safe; each call is one read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def net_minor(self, exclusive_key: str) -> int:
        """Succeeded settles less succeeded refunds under this key, in minor units."""
        with self._database.connection() as connection:
            row = connection.execute(
                f"""SELECT coalesce(sum({SIGNED_MINOR}), 0)
                AS net FROM {_PAYMENTS} p WHERE exclusive_key = %s AND state = 'succeeded'""",
                (exclusive_key,),
            ).fetchone()
        return int(row["net"]) if row else 0

    def lost_time(self, exclusive_key: str) -> bool:
        """May a payment under this key have been sent in a time that the database lost? Then our sum is not known."""
        with self._database.connection() as connection:
            return lost_time.touched(connection, exclusive_key)

    def succeeded(self, books_key: str) -> frozenset[str]:
        """References of our payments under this key that the provider said, or showed, it applied."""
        with self._database.connection() as connection:
            rows = connection.execute(_SUCCEEDED, (books_key,)).fetchall()
        return frozenset(row["sent_reference"] for row in rows)

    def latest_success(self, provider: str, under: str = "") -> Payment | None:
        """The last payment that the provider said, or showed, it applied; of those filed under a key that begins with
        `under`."""
        with self._database.connection() as connection:
            row = connection.execute(_LATEST_SUCCESS, (provider, under)).fetchone()
        return payment(row) if row else None

    def ours(self, references: Set[str]) -> frozenset[str]:
        """Those of these texts that are references of payments of ours."""
        texts = [text for text in references if "\0" not in text]  # PostgreSQL takes none with NUL, nor do we send one
        with self._database.connection() as connection:
            rows = connection.execute(
                f"SELECT sent_reference FROM {_PAYMENTS} p WHERE sent_reference = ANY(%s)", (texts,)
            ).fetchall()
        return frozenset(row["sent_reference"] for row in rows)

    def elsewhere(self, references: Set[str], books_key: str) -> frozenset[str]:
        """Those of these texts that are references of payments of ours under any other key, or none."""
        texts = [text for text in references if "\0" not in text]
        with self._database.connection() as connection:
            rows = connection.execute(
                f"""SELECT sent_reference FROM {_PAYMENTS} p
                WHERE sent_reference = ANY(%s) AND books_key IS DISTINCT FROM %s""",
                (texts, books_key),
            ).fetchall()
        return frozenset(row["sent_reference"] for row in rows)

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

    def unlearn(self, provider: str, fact: str) -> None:
        """Evidence showed that a fact does not hold (any more)."""
        with self._database.connection() as connection:
            connection.execute("DELETE FROM provider_facts WHERE provider = %s AND fact = %s", (provider, fact))
