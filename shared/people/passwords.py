"""passwords: what lets a person into the control room, and the one-time codes beside it.

A password is kept as Argon2id (RFC 9106's parameters for little memory). Only the person sets it, and proves to be that
one by their token: whoever sets another's password could decide in their name. A new one ends all their sessions.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared import audit
from shared.database.engine import Connection
from shared.database.statements import statements
from shared.domain import totp
from shared.people.prove import NotAllowed

_SQL = statements(__file__)

SHORTEST, LONGEST = 12, 200  # characters
_HASH_WAIT_S = 8.0
# 64 MiB and about a tenth of a second each: whoever tries many at once is given one place after another.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4, type=Type.ID)
_PLACES = threading.BoundedSemaphore(2)


class Busy(Exception):  # noqa: N818 - says what is so
    """Too many passwords are being looked at."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of a person who may come in. hash: None where they have no password, or there is nobody."""

    name: str | None
    hash: str | None = field(repr=False)
    totp: bytes | None = field(repr=False)
    totp_step: int


def must_be_good(password: str, name: str) -> None:
    """Raises ValueError for one that is too short to be kept, or too long to be read."""
    if not SHORTEST <= len(password) <= LONGEST or "\x00" in password:
        raise ValueError(f"a password has {SHORTEST} to {LONGEST} characters; nothing was changed")
    if name.lower() in password.lower() or len(set(password)) < 5:
        raise ValueError("this password is easily guessed; take several words, nothing was changed")


def keep(connection: Connection, name: str, password: str) -> None:
    """The person's password from now on; their sessions end. In the caller's transaction. Raises ValueError."""
    must_be_good(password, name)
    given = {"name": name, "hash": _HASHER.hash(password)}
    if connection.execute(_SQL["keep"], given).rowcount == 0:
        raise NotAllowed("nobody is set up under this name any more; nothing was changed")
    connection.execute(_SQL["end_sessions"], given)
    audit.write(connection, "person.password_set", name, by=name)


def keep_totp(connection: Connection, name: str, keys: tuple[str, ...]) -> bytes:
    """From now on a one-time code is asked for beside the password: its secret, told this once. As `keep`.

    keys: SECRET_KEYS, newest first. Raises NotAllowed for whom has no password.
    """
    secret = totp.new_secret()
    given = {"name": name, "totp": cipher(keys).encrypt(secret)}
    if connection.execute(_SQL["keep_totp"], given).rowcount == 0:
        raise NotAllowed(f"{name} has no password yet; set one first with `settlepipe people password {name}`")
    connection.execute(_SQL["end_sessions"], given)
    audit.write(connection, "person.totp_set", name, by=name)
    return secret


def forget_totp(connection: Connection, name: str) -> None:
    """The password is enough again. As `keep`."""
    connection.execute(_SQL["keep_totp"], {"name": name, "totp": None})
    audit.write(connection, "person.totp_removed", name, by=name)


def forget(connection: Connection, name: str) -> None:
    """A person who was revoked comes in no more. In the caller's transaction."""
    connection.execute(_SQL["forget"], {"name": name})  # before their sessions: one that begins now waits, or ends
    connection.execute(_SQL["end_sessions"], {"name": name})


def known(connection: Connection, name: str) -> Known:
    """Whoever has this name, in whatever case."""
    row = connection.execute(_SQL["known"], {"name": name}).fetchone()
    if row is None:
        return Known(None, None, None, 0)
    return Known(row["name"], row["hash"], None if row["totp"] is None else bytes(row["totp"]), int(row["totp_step"]))


def states(connection: Connection) -> Mapping[str, tuple[bool, bool]]:
    """Of everybody who is set up: have they a password, and are they asked for a code beside it?"""
    return {row["name"]: (row["password"], row["totp"]) for row in connection.execute(_SQL["states"]).fetchall()}


def still(connection: Connection, found: Known) -> bool:
    """Is what was `known` so now, and until the caller's transaction ends? Whoever changes it waits for that."""
    given = {"name": found.name, "hash": found.hash, "totp": found.totp}
    return connection.execute(_SQL["still"], given).fetchone() is not None


def took(connection: Connection, name: str, step: int) -> bool:
    """Note that the code of this step was used; False where it, or a later one, was before."""
    return connection.execute(_SQL["took"], {"name": name, "step": step}).rowcount == 1


def fits(found: Known, password: str) -> bool:
    """Is it this person's password? Takes as long for nobody's. Raises Busy."""
    if len(password) > LONGEST:
        return False
    if not _PLACES.acquire(timeout=_HASH_WAIT_S):
        raise Busy
    try:
        _HASHER.verify(found.hash or _nobodys(), password)
    except (Argon2Error, InvalidHashError):
        return False
    finally:
        _PLACES.release()
    return found.hash is not None


def secret_of(found: Known, keys: tuple[str, ...]) -> bytes | None:
    """The secret of a person's codes; None where they have none, one that nobody knows where these keys can't read it:
    no code fits."""
    if found.totp is None:
        return None
    try:
        return cipher(keys).decrypt(found.totp)
    except InvalidToken:
        return totp.new_secret()  # an empty one would have codes, too, which everybody can compute


def cipher(keys: tuple[str, ...]) -> MultiFernet:
    """Of SECRET_KEYS, newest first."""
    return MultiFernet([Fernet(key) for key in keys])


def _nobodys() -> str:
    global _dummy  # noqa: PLW0603 - made when it is first needed: it takes a tenth of a second
    if _dummy is None:
        _dummy = _HASHER.hash("nobody's password")
    return _dummy


_dummy: str | None = None
