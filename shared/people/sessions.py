"""sessions: who is in the control room. Begun by a password, ended by the person, by time, or with the person.

A session's cookie is 256 random bits; kept of it is its SHA-256. A log-in is counted before the password is looked at,
so that many at once are no more than many one after another; who fails has to wait, longer each time, a minute at most.
A browser in which the person was in before has a count of its own: strangers who fail keep nobody out of it.
"""

import base64
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.fernet import InvalidToken

from shared import audit
from shared.database.engine import Connection, Database, Row
from shared.database.statements import statements
from shared.domain import decision, totp
from shared.domain.roles import Role
from shared.people import passwords
from shared.people.prove import digest, set_up

_SQL = statements(__file__)

FREE, MOST_WAIT_S = 5, 60  # tries without a wait; the longest wait
FORGOTTEN_S = 3600  # without a try, and the count begins anew
KNOWN_BROWSER_S = 90 * 86_400
_BYTES = 32


class NotIn(Exception):  # noqa: N818 - says what is so
    """Nobody was let in; the message says why. wait_s: none is before that."""

    def __init__(self, message: str, wait_s: int = 0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Ended(Exception):  # noqa: N818 - says what is so
    """Whoever asked is not in any more, and nothing was done; the message says so."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What somebody said to come in. browser: the cookie of one in which a person was in before, if any."""

    name: str
    password: str = field(repr=False)
    code: str = field(repr=False)
    address: str
    browser: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rules:
    """local: the password that `up` made, which counts while nobody is set up. keys: SECRET_KEYS, newest first. oidc:
    an OpenID Connect provider is set, and what it said counts."""

    idle_s: float
    most_s: float
    keys: tuple[str, ...] = field(repr=False)
    local: str | None = field(repr=False, default=None)
    oidc: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is in. role: while nobody is set up it is an approver's, as with commands. form: what each of their
    forms has to bear; nobody else can know it. alone: nobody is set up. digest: by which it is kept."""

    name: str
    role: Role
    form: str = field(repr=False)
    alone: bool = False
    digest: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class Entered:
    """The cookies of somebody who was let in."""

    name: str
    session: str = field(repr=False)
    browser: str = field(repr=False)


def enter(database: Database, said: Credentials, rules: Rules) -> Entered:
    """Let somebody in. Raises NotIn, in the same sentence whatever is wrong; passwords.Busy."""
    try:
        name = decision.by(said.name, "name")
    except ValueError:
        raise NotIn(_WRONG) from None
    counted = _counted(said, name, rules)
    with database.transaction() as connection:
        _count(connection, counted)
        people, found = set_up(connection), passwords.known(connection, name)
    if not people:
        return _enter_alone(database, said, name, rules, counted)
    if not passwords.fits(found, said.password) or found.name is None:
        raise NotIn(_WRONG)
    secret = passwords.secret_of(found, rules.keys)
    with database.transaction() as connection:
        if not passwords.still(connection, found):  # it took a while: a new password ends what the old one began
            raise NotIn(_WRONG)
        now_s = _now(connection)
        step = None if secret is None else totp.step_of(secret, said.code, now_s)
        if secret is not None and (step is None or not passwords.took(connection, found.name, step)):
            raise NotIn(_WRONG)
        return _begin(connection, found.name, rules, counted, known=found.name.lower())


def enter_proved(database: Database, name: str, rules: Rules) -> Entered:
    """Let in whom an OpenID Connect provider knows under this name. Raises NotIn where nobody is set up under it."""
    with database.transaction() as connection:
        found = passwords.known(connection, name)
        if found.name != name:
            raise NotIn("Your company knows you, but nobody is set up here under the name that it gives.")
        return _begin(connection, name, rules, (), known=name.lower(), oidc=True)


def _enter_alone(database: Database, said: Credentials, name: str, rules: Rules, counted: Sequence[str]) -> Entered:
    given = said.password.encode("utf-8", "replace")
    if rules.local is None or not hmac.compare_digest(rules.local.encode(), given):
        raise NotIn(_WRONG)
    with database.transaction() as connection:
        return _begin(connection, name, rules, counted, known="")  # anybody may say this name: it proves nothing later


_WRONG = "The name, the password or the code is wrong."


def _counted(said: Credentials, name: str, rules: Rules) -> Sequence[str]:
    """Whose count this try is: a known browser's alone, else the name's and the address's."""
    if said.browser is not None:
        try:
            known = passwords.cipher(rules.keys).decrypt(said.browser, ttl=KNOWN_BROWSER_S)
        except (InvalidToken, ValueError):
            known = b""
        if known == name.lower().encode():
            whole = base64.urlsafe_b64decode(said.browser)  # of one cookie there are many spellings, and one count
            return [_whose("browser", hashlib.sha256(whole).hexdigest())]
    return sorted((_whose("address", _network(said.address)), _whose("name", name.lower())))


def _whose(what: str, which: str) -> str:
    """What is kept of it. No name: people mistake the fields, and type their password there."""
    return hashlib.sha256(f"{what} {which}".encode()).hexdigest()


def _network(address: str) -> str:
    """Whoever has one IPv6 address has a whole /64 of them; one of IPv4 that stands in it is itself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return address if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


def _count(connection: Connection, counted: Sequence[str]) -> None:
    connection.execute(_SQL["forget_attempts"], {"forgotten_s": FORGOTTEN_S})
    for whose in counted:
        given = {"whose": whose, "free": FREE, "most_s": MOST_WAIT_S, "forgotten_s": FORGOTTEN_S}
        if connection.execute(_SQL["attempt"], given).fetchone() is None:
            row = connection.execute(_SQL["waits"], given).fetchone()
            wait_s = max(1, int(row["wait_s"])) if row else 1
            raise NotIn(f"Too many log-ins failed; try again in {wait_s} s.", wait_s)


def _begin(
    connection: Connection, name: str, rules: Rules, counted: Sequence[str], *, known: str, oidc: bool = False
) -> Entered:
    token = secrets.token_urlsafe(_BYTES)
    connection.execute(_SQL["forget"])
    connection.execute(_SQL["begin"], {"id": digest(token), "name": name, "most_s": rules.most_s, "oidc": oidc})
    connection.execute(_SQL["worked"], {"whose": list(counted)})
    audit.write(connection, "session.begun", name, by=name, content={"by": "oidc"} if oidc else None)
    browser = passwords.cipher(rules.keys).encrypt(known.encode()).decode()
    return Entered(name, token, browser)


def find(connection: Connection, token: str | None, rules: Rules, *, used: bool) -> Session | None:
    """Whose session this cookie is of, now. used: by a person, not by a page that looks by itself: it is idle from here
    on."""
    if token is None or len(token) > 100:
        return None
    row = _found(connection, digest(token), rules, used=used)
    if row is None:
        return None
    form = hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()
    alone = row["role"] is None
    return Session(row["name"], Role(row["role"] or Role.APPROVER), form, alone=alone, digest=digest(token))


def must_be_in(connection: Connection, session: Session, rules: Rules) -> None:
    """What somebody asked for is done while they are in, and in their role: their log-in does not end between here and
    the end of the caller's transaction. Raises Ended."""
    connection.execute(_SQL["lock"], {"id": session.digest})
    row = _found(connection, session.digest, rules, used=False)
    if row is None or Role(row["role"] or Role.APPROVER) is not session.role:
        raise Ended("your log-in ended, or your role changed, before this was done; nothing was changed")


def _found(connection: Connection, kept_by: bytes, rules: Rules, *, used: bool) -> Row | None:
    given = {"id": kept_by, "idle_s": rules.idle_s, "used": used, "alone": rules.local is not None, "oidc": rules.oidc}
    return connection.execute(_SQL["find"], given).fetchone()


def end(connection: Connection, token: str) -> None:
    """The session is over."""
    connection.execute(_SQL["end"], {"id": digest(token)})


def _now(connection: Connection) -> float:
    row = connection.execute(_SQL["now"]).fetchone()
    assert row is not None  # noqa: S101 - it has no table
    return float(row["now_s"])
