"""Coming in, and going."""

from shared.people import sessions
from shared.people.oidc import BEGUN_S, Provider
from shared.people.prove import set_up
from shared.people.sessions import Credentials, NotIn
from shared.telemetry.logs import get_logger
from worker.web import counts
from worker.web.rooms import guard
from worker.web.rooms.answers import Answer, Asked, Cookie, Document, Go, Html, Refused
from worker.web.rooms.drawing import STATIC
from worker.web.rooms.drawing import static as file

log = get_logger(__name__)


def static(asked: Asked) -> Answer:
    """What pages are made with. Its address changes with it."""
    name = asked.path["name"]
    if name not in STATIC:
        raise Refused("There is nothing here.", 404)
    return Document(file(name), STATIC[name], {"Cache-Control": "public, max-age=31536000, immutable"})


def form(asked: Asked) -> Answer:
    """Where people log in; while nobody is set up, how that is done."""
    if asked.session is not None:
        return Go("/")
    return _form(asked, None, 200)


def place(_: Asked) -> str:
    """Who says who people are."""
    return "oidc"


def enter(asked: Asked) -> Answer:
    """Let somebody in. Whatever is wrong, nothing tells what."""
    said = Credentials(
        name=asked.form.get("name", "")[:200],
        password=asked.form.get("password", ""),
        code=asked.form.get("code", "")[:20],
        address=asked.address,
        browser=asked.cookies[guard.BROWSER][:1000] or None,
    )
    try:
        found = sessions.enter(asked.room.database, said, asked.room.rules(asked.here))
    except NotIn as error:
        # Not the name: people mistype passwords there.
        log.warning("somebody was not let into the control room", wait_s=error.wait_s)
        counts.not_let_in("password")
        return _form(asked, error, 429 if error.wait_s else 403)
    return Go("/", guard.entered(found.session, found.browser))


def begin(asked: Asked) -> Answer:
    """To the OpenID Connect provider."""
    begun = _provider(asked).begin()
    return Go(begun.url, (Cookie(guard.BEGUN, begun.cookie, BEGUN_S, samesite="lax"),))


def back(asked: Asked) -> Answer:
    """From the OpenID Connect provider. The page that is answered leads on by itself: a browser that comes from another
    site does not send the session's cookie yet."""
    provider, said = _provider(asked), asked.query
    name = provider.finish(said.get("code", "")[:4000], said.get("state", "")[:200], asked.cookies[guard.BEGUN])
    try:
        found = sessions.enter_proved(asked.room.database, name, asked.room.rules(asked.here))
    except NotIn as error:
        counts.not_let_in("oidc")
        return _form(asked, error, 403)
    session, browser = guard.entered(found.session, found.browser)
    return Html("entered.html", {}, cookies=(session, browser, Cookie(guard.BEGUN, "", 0)))


def _provider(asked: Asked) -> Provider:
    if asked.room.oidc is None:
        raise Refused("There is nothing here.", 404)
    return asked.room.oidc


def leave(asked: Asked) -> Answer:
    """The session is over."""
    with asked.read() as connection:
        sessions.end(connection, asked.cookies[guard.SESSION])
    return Go("/login", guard.left())


def _form(asked: Asked, wrong: NotIn | None, status: int) -> Answer:
    with asked.read() as connection:
        people = set_up(connection)
    local = asked.room.rules(asked.here).local is not None
    given = {"people": people, "local": local, "oidc": asked.room.oidc is not None, "wrong": wrong}
    return Html("login.html", {**given, "name": asked.form.get("name", "")[:100]}, status)
