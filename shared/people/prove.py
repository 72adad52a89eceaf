"""prove: who is it, and may they do this? Reads only.

A token is 256 random bits, so its SHA-256 is enough: nobody can try tokens, as they could passwords, and a slow hash
(scrypt) would guard against nothing else.
"""

import hashlib

from shared.database.engine import Connection
from shared.domain import decision
from shared.domain.roles import MAY, Deed, Role

# seen: by whoever added this person, while they have no token of their own. The first one was added by nobody else.
_WHOSE = """
SELECT name, role, (rotated_at IS NULL OR rotated_at < added_at)
    AND EXISTS (SELECT FROM people o WHERE o.name <> p.name AND o.added_at < p.added_at) AS seen
FROM people p WHERE token_sha256 = %(digest)s AND revoked_at IS NULL
"""

UNPROVED = "say who you are: set SETTLEPIPE_PERSON_TOKEN or SETTLEPIPE_PERSON_TOKEN_FILE to your token"


class NotAllowed(Exception):  # noqa: N818 - says what is so
    """Nothing was done; the message says who may, or what is missing."""


def prove(connection: Connection, token: str | None, by: str | None, deed: Deed) -> str:
    """The name of the person who does it. While nobody is set up that is whatever `by` says.

    Raises NotAllowed, ValueError for a bad name.
    """
    named = None if by is None else decision.by(by)
    if not set_up(connection):
        if named is None:
            raise ValueError("nobody is set up, so the name of who does it must be said with --by")
        return named
    if token is None:
        raise NotAllowed(UNPROVED)
    row = connection.execute(_WHOSE, {"digest": digest(token)}).fetchone()
    if row is None:
        raise NotAllowed("this token is nobody's, or was revoked; ask an approver, who sees `settlepipe people`")
    name, role = str(row["name"]), Role(row["role"])
    if named not in (None, name):
        raise NotAllowed(f"the token is {name}'s, not that of whom --by names; leave --by out")
    if role not in MAY[deed]:
        raise NotAllowed(f"{name} is {role}; this is for {' or '.join(sorted(MAY[deed]))}")
    if row["seen"] and deed is not Deed.ROTATE:
        raise NotAllowed(f"whoever added {name} saw this token; have one of your own: `settlepipe people rotate`")
    return name


def set_up(connection: Connection) -> bool:
    """Is anybody set up? Once somebody was, it stays so, also when all are revoked."""
    row = connection.execute("SELECT EXISTS (SELECT FROM people) AS found").fetchone()
    return bool(row and row["found"])


def known(connection: Connection, name: str) -> bool:
    """Is somebody set up under this name, and not revoked?"""
    statement = "SELECT EXISTS (SELECT FROM people WHERE name = %s AND revoked_at IS NULL) AS found"
    row = connection.execute(statement, (name,)).fetchone()
    return bool(row and row["found"])


def approvers(connection: Connection) -> int:
    """How many may approve now."""
    statement = "SELECT count(*) AS n FROM people WHERE role = ANY(%s) AND revoked_at IS NULL"
    row = connection.execute(statement, ([role.value for role in MAY[Deed.APPROVE]],)).fetchone()
    return int(row["n"]) if row else 0


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
