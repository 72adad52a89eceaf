"""People: who may decide; and each person's own token, password and codes. By the verbs of `settlepipe people`."""

from shared.database.engine import Connection
from shared.domain import totp as codes
from shared.domain.roles import Deed, Role
from shared.domain.words import mark
from shared.people import change, passwords
from shared.people.proposals import Proposal
from shared.people.prove import NotAllowed, prove, set_up
from worker.web.rooms import guard
from worker.web.rooms.answers import Answer, Asked, Go, Html, Refused

_TOKEN_LONGEST = 200


def page(asked: Asked) -> Answer:
    """Everybody who was ever set up, the revoked ones at the end."""
    with asked.read() as connection:
        rows = change.listed(connection)
        states = passwords.states(connection)
    shown = [{**row, "enters": states.get(row["name"], (False, False))} for row in rows]
    return Html("people.html", {"rows": shown, "roles": list(Role), "mine": asked.who.name, "here": "people"})


def add(asked: Asked) -> Answer:
    """Set a person up: their token, shown this once; or, once there were two approvers, propose it."""
    role = asked.text("role", 20)
    if role not in list(Role):
        raise ValueError(f"the roles are {', '.join(Role)}; nothing was changed")
    with asked.once().transaction() as connection:
        done = change.ask(connection, asked.text("name", 200), Role(role), by=asked.who.name)
    if isinstance(done, Proposal):
        return Go("/people?said=proposed")
    return Html("secret.html", {"kind": "added", "name": asked.text("name", 200), "secret": done, "here": "people"})


def revoke(asked: Asked) -> Answer:
    """Their token proves nothing any more, and they are out."""
    with asked.once().transaction() as connection:
        change.revoke(connection, asked.text("name", 200), by=asked.who.name)
    return Go("/people?said=revoked")


def mine(asked: Asked) -> Answer:
    """What lets this person in."""
    with asked.read() as connection:
        found = passwords.states(connection).get(asked.who.name, (False, False))
    return Html("me.html", {"enters": found, "here": "me"})


def password(asked: Asked) -> Answer:
    """A new password; all log-ins of this person end, this one too."""
    given = _typed_twice(asked)
    with asked.once().transaction() as connection:
        passwords.keep(connection, _proved(connection, asked, Deed.COME_IN), given)
    return Go("/login?said=password", guard.left())


def code(asked: Asked) -> Answer:
    """From now on a code is asked for beside the password: its secret, shown this once."""
    keys = tuple(key.get_secret_value() for key in asked.room.runtime.settings.secret_keys)
    with asked.once().transaction() as connection:
        name = _proved(connection, asked, Deed.COME_IN)
        secret = passwords.keep_totp(connection, name, keys)
    given = {"kind": "code", "name": name, "secret": codes.text(secret), "uri": codes.uri(secret, name)}
    return Html("secret.html", {**given, "here": "me"}, cookies=guard.left())


def no_code(asked: Asked) -> Answer:
    """The password is enough again."""
    with asked.once().transaction() as connection:
        passwords.forget_totp(connection, _proved(connection, asked, Deed.COME_IN))
    return Go("/me?said=no_code")


def rotate(asked: Asked) -> Answer:
    """A new token for the old one, shown this once."""
    with asked.once().transaction() as connection:
        name = _proved(connection, asked, Deed.ROTATE)
        token = change.rotate(connection, name)
    return Html("secret.html", {"kind": "rotated", "name": name, "secret": token, "here": "me"})


def begin(asked: Asked) -> Answer:
    """Where somebody who has nothing but a token sets their first password."""
    return Html("begin.html", {"wrong": None})


def begun(asked: Asked) -> Answer:
    """The password of whoever has this token. Where whoever added them saw it, there is a new one, shown this once."""
    try:
        given = _typed_twice(asked)
        with asked.room.database.transaction() as connection:
            name, token = _first(connection, asked)
            passwords.keep(connection, name, given)
    except (NotAllowed, Refused, ValueError) as error:
        return Html("begin.html", {"wrong": str(error)}, 403)
    if token is None:
        return Go("/login?said=password")
    return Html("secret.html", {"kind": "begun", "name": name, "secret": token})


def _first(connection: Connection, asked: Asked) -> tuple[str, str | None]:
    """Who it is, and their new token where the old one is good for that alone."""
    if not set_up(connection):
        raise Refused(asked.say("Nobody is set up yet: settlepipe people add NAME --role approver"))
    token = asked.text("token", _TOKEN_LONGEST)
    name = prove(connection, token, None, Deed.ROTATE)
    try:
        prove(connection, token, None, Deed.COME_IN)
    except NotAllowed:
        return name, change.rotate(connection, name)
    return name, None


def _typed_twice(asked: Asked) -> str:
    """As it was typed, blanks included: it is looked at so, too."""
    given = asked.form.get("password", "")
    if given != asked.form.get("again", ""):
        raise Refused(asked.say("The two are not the same; nothing was changed."), 422)
    return given


def _proved(connection: Connection, asked: Asked, deed: Deed) -> str:
    """Whose token was typed: a log-in alone, which somebody may have left open, changes nothing that lets people in."""
    if not set_up(connection):
        raise Refused(asked.say("Nobody is set up: there is no token to prove who you are. Add the first person."))
    name = prove(connection, asked.text("token", _TOKEN_LONGEST) or None, None, deed)
    if name != asked.who.name:
        said = mark("The token is of %(name)s; each person sets their own, and nothing was changed.")
        raise Refused(asked.say(said, name=name), 403)
    return name
