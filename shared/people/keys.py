"""keys: what lets an upstream in by HTTP. Each is of one source; a source may have several, so that one can be changed
without a pause.

What is kept of a key is its SHA-256; the key itself is returned once and nowhere else. Creating and revoking one is in
the audit, in the same transaction.
"""

import re
import secrets

from shared import audit
from shared.database.engine import Connection, Row
from shared.database.statements import statements
from shared.domain.intent import ID
from shared.people.prove import NotAllowed, digest

_SQL = statements(__file__)
_BYTES = 32  # 256 random bits
_PREFIX = "settlepipe-key-"  # so that a key is known for what it is where it should not be
MOST = 20  # of a source that are not revoked


def create(connection: Connection, source: str, *, by: str) -> tuple[int, str]:
    """A new key of this source: its number and the key. In the caller's transaction.

    Raises ValueError for what is no source, NotAllowed where it has MOST keys.
    """
    if re.fullmatch(ID, source) is None:
        raise ValueError("a source must have 1 to 64 of A-Z a-z 0-9 . _ : -")
    connection.execute(_SQL["lock"], {"source": source})
    row = connection.execute(_SQL["count"], {"source": source}).fetchone()
    if row is not None and row["n"] >= MOST:
        raise NotAllowed(f"{source} has {MOST} keys; revoke those that nobody uses any more, nothing was changed")
    key = _PREFIX + secrets.token_urlsafe(_BYTES)
    made = connection.execute(_SQL["create"], {"source": source, "digest": digest(key), "by": by}).fetchone()
    assert made is not None  # noqa: S101 - an insert returns its row
    audit.write(connection, "key.created", source, by=by, content={"key": made["id"]})
    return int(made["id"]), key


def revoke(connection: Connection, number: int, *, by: str) -> str:
    """The key opens nothing any more: whose it was. As `create`. Raises NotAllowed where there is none to revoke."""
    row = connection.execute(_SQL["revoke"], {"id": number, "by": by}).fetchone()
    if row is None:
        raise NotAllowed(f"there is no key {number} that is not revoked; see `settlepipe keys`, nothing was changed")
    audit.write(connection, "key.revoked", row["source"], by=by, content={"key": number})
    return str(row["source"])


def listed(connection: Connection) -> list[Row]:
    """Every key there ever was, the revoked ones at the end: id, source, created_at, created_by, last_used_at,
    revoked_at, revoked_by."""
    return connection.execute(_SQL["listed"]).fetchall()


def opened(connection: Connection, key: str) -> tuple[int, str] | None:
    """The number and the source of a key that is not revoked; None for any other text. Notes that it was used."""
    row = connection.execute(_SQL["opened"], {"digest": digest(key)}).fetchone()
    return None if row is None else (int(row["id"]), str(row["source"]))
