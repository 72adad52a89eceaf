"""The audit: all that people did, in a chain of hashes. Append only; written with the deed, so neither is without the
other.

A record's hash is the SHA-256 of a JSON array in ASCII, without blanks, the keys of objects sorted: [number, the hash
of the record before in hex or null, time, who, action, subject, reason, content].
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.pq import TransactionStatus

from shared.database import locks
from shared.database.engine import Connection, Row
from shared.database.statements import statements

_SQL = statements(__file__)
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Verified:
    """What a reading of the whole chain came to. wrong: why the first record that does not fit doesn't, or None.

    head: the last record's hash in hex; None: there is no record. found: was the hash that was asked for seen?
    """

    count: int
    head: str | None
    wrong: str | None = None
    found: bool = False


def write(
    connection: Connection,
    action: str,
    subject: str,
    *,
    by: str,
    reason: str | None = None,
    content: Mapping[str, Any] | None = None,
) -> None:
    """Add a record, in the transaction of the deed that it tells of, as its last statement: until that ends everybody
    else who adds one waits. content: plain JSON data, without secrets. Raises RuntimeError outside of a transaction."""
    if connection.info.transaction_status is not TransactionStatus.INTRANS:
        raise RuntimeError("an audit record is written in the transaction of its deed")
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (locks.AUDIT,))
    row = connection.execute(_SQL["last"]).fetchone()  # a statement of its own: it sees what was committed meanwhile
    assert row is not None  # noqa: S101 - it always gives one row
    record = {"by_whom": by, "action": action, "subject": subject, "reason": reason, "content": dict(content or {})}
    number = (row["number"] or 0) + 1
    told = {"number": number, "at": row["at"], "previous": row["hash"], **record}
    given = {**told, "content": _canonical(record["content"]), "hash": digest(told)}
    connection.execute(_SQL["write"], given)


def digest(record: Mapping[str, Any]) -> bytes:
    """The hash of a record, from its number, at (as text), previous, by_whom, action, subject, reason, content."""
    previous = None if record["previous"] is None else bytes(record["previous"]).hex()
    fields = (record[name] for name in ("at", "by_whom", "action", "subject", "reason", "content"))
    return hashlib.sha256(_canonical([record["number"], previous, *fields]).encode()).digest()


def records(connection: Connection, since: datetime | None = None) -> Iterator[Row]:
    """The records since then, the oldest first, a page in memory: number, at, by_whom, action, subject, reason,
    content, previous, hash."""
    after = 0
    while page := connection.execute(_SQL["page"], {"after": after, "since": since, "limit": _PAGE}).fetchall():
        yield from page
        after = page[-1]["number"]


def newest(connection: Connection, before: int | None, limit: int) -> list[Row]:
    """Up to `limit` records, the newest first; before: older than the record with this number."""
    return connection.execute(_SQL["newest"], {"before": before or 2**62, "limit": limit}).fetchall()


def verify(connection: Connection, head: str | None = None) -> Verified:
    """Read the whole chain, and stop at the first record that does not fit. head: a hash (hex) that was noted before;
    `found` says whether its record is still there. What was cut off at the end shows in nothing else."""
    count, found = 0, False
    last: bytes | None = None
    for row in records(connection):
        wrong = _wrong(row, count + 1, last)
        if wrong is not None:
            return Verified(count, _hex(last), wrong, found)
        count, last = count + 1, bytes(row["hash"])
        found = found or last.hex() == head
    return Verified(count, _hex(last), None, found)


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _wrong(row: Row, number: int, previous: bytes | None) -> str | None:
    before = None if row["previous"] is None else bytes(row["previous"])
    if row["number"] != number:
        return f"record {number} is missing"
    if before != previous:
        return f"record {number} does not follow the one before it"
    if bytes(row["hash"]) != digest(row):
        return f"record {number} is not what was written"
    return None


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False)
