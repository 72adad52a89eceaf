"""change: people are added and revoked, and get a new token. One transaction each, with its audit record.

What is kept of a token is its SHA-256; the token itself is returned once and nowhere else.
"""

import secrets
import unicodedata
from typing import Any

import psycopg

from shared import audit
from shared.database.engine import Connection, Row
from shared.domain import decision, spelling
from shared.domain.roles import Role
from shared.people import passwords
from shared.people.proposals import Kind, Proposal, propose
from shared.people.prove import NotAllowed, digest, set_up

_BYTES = 32  # 256 random bits
_PREFIX = "settlepipe-"  # so that a token is known for what it is where it should not be


def add(connection: Connection, name: str, role: Role, *, by: str) -> str:
    """Set a person up, or one that was revoked up again: the token. In the caller's transaction.

    Raises NotAllowed for a name that is taken, or one that differs in case alone; ValueError for a bad one, or one that
    could be read as another.
    """
    name = must_be_new(connection, name, role)
    token = _token()
    try:
        connection.execute(
            """INSERT INTO people (name, role, token_sha256, added_by) VALUES (%(name)s, %(role)s, %(token)s, %(by)s)
            ON CONFLICT (name) DO UPDATE SET role = excluded.role, token_sha256 = excluded.token_sha256,
                added_by = excluded.added_by, added_at = clock(), rotated_at = NULL,
                revoked_at = NULL, revoked_by = NULL""",
            {"name": name, "role": role, "token": digest(token), "by": by},
        )
    except psycopg.errors.UniqueViolation:
        raise NotAllowed("somebody was set up under this name at the same moment; nothing was changed") from None
    audit.write(connection, "person.added", name, by=by, content={"role": role})
    return token


def ask(connection: Connection, name: str, role: Role, *, by: str) -> str | Proposal:
    """Set a person up, or, once there were two approvers, propose it: one alone could become two. Else as `add`."""
    if _ever_approvers(connection) < 2:
        return add(connection, name, role, by=by)
    name = must_be_new(connection, name, role)
    given: dict[str, Any] = {"asked": {"name": name, "role": role}, "seen": {}, "reason": f"{name} joins", "by": by}
    return propose(connection, Kind.PERSON, name, **given)


def _ever_approvers(connection: Connection) -> int:
    """Revoked ones count: who revokes all others would be alone again."""
    row = connection.execute("SELECT count(*) AS n FROM people WHERE role = 'approver'").fetchone()
    return int(row["n"]) if row else 0


def must_be_new(connection: Connection, name: str, role: Role) -> str:
    """The name as it is kept. Raises as `add` does."""
    name = decision.by(name, "name of a person")
    if (mistake := spelling.mistake(name)) is not None:
        raise ValueError(f"the name of a person must have one spelling: {mistake}")
    # Not by the database: it knows the case of the letters of its own locale alone, of A to Z where that is C.
    for found in connection.execute("SELECT name, revoked_at FROM people").fetchall():
        if _alike(found["name"]) == _alike(name) and (found["name"] != name or found["revoked_at"] is None):
            raise NotAllowed(f"{found['name']} is set up already; see `settlepipe people`, nothing was changed")
    if role is not Role.APPROVER and not set_up(connection):
        raise NotAllowed("the first person has to be an approver, or nobody could add another; nothing was changed")
    return name


def _alike(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def revoke(connection: Connection, name: str, *, by: str) -> None:
    """Their token proves nothing any more, and their password opens nothing. Raises NotAllowed where there is no such
    person, or no other approver. As `add`."""
    approvers = "SELECT name FROM people WHERE role = 'approver' AND revoked_at IS NULL ORDER BY name FOR UPDATE"
    if [row["name"] for row in connection.execute(approvers).fetchall()] == [name]:
        raise NotAllowed(f"{name} is the last approver, and nobody could add another; nothing was changed")
    statement = """UPDATE people SET revoked_at = clock(), revoked_by = %s
        WHERE name = %s AND revoked_at IS NULL"""
    if connection.execute(statement, (by, name)).rowcount == 0:
        raise NotAllowed("nobody who was not revoked has this name; see `settlepipe people`, nothing was changed")
    passwords.forget(connection, name)
    audit.write(connection, "person.revoked", name, by=by)


def rotate(connection: Connection, name: str) -> str:
    """A new token for a person who proved to be that one; the old one proves nothing any more. As `add`."""
    token = _token()
    statement = "UPDATE people SET token_sha256 = %s, rotated_at = clock() WHERE name = %s AND revoked_at IS NULL"
    if connection.execute(statement, (digest(token), name)).rowcount == 0:
        raise NotAllowed("nobody is set up under this name any more; nothing was changed")
    audit.write(connection, "person.rotated", name, by=name)
    return token


def listed(connection: Connection) -> list[Row]:
    """Everybody who was ever set up: name, role, added_at, added_by, rotated_at, revoked_at, revoked_by."""
    return connection.execute(
        """SELECT name, role, utc_text(added_at) AS added_at, added_by, utc_text(rotated_at) AS rotated_at,
            utc_text(revoked_at) AS revoked_at, revoked_by
        FROM people ORDER BY revoked_at IS NOT NULL, name"""
    ).fetchall()


def _token() -> str:
    return _PREFIX + secrets.token_urlsafe(_BYTES)
