"""Coming in, in which language, and going."""

import re
from typing import Any

from shared.people import sessions
from shared.people.oidc import BEGUN_S, Provider
from shared.people.prove import set_up
from shared.people.sessions import Credentials, NotIn
from shared.settings.reporting import LANGUAGES
from shared.telemetry.logs import get_logger
from worker.web import counts
from worker.web.rooms import guard
from worker.web.rooms.answers import Answer, Asked, Cookie, Document, Go, Html, Refused
from worker.web.rooms.drawing import STATIC
from worker.web.rooms.drawing import static as file

log = get_logger(__name__)

_PAGE = re.compile(r"/(?![/\\])[!-~]{0,2000}")  # of ours: no other site's address


def static(asked: Asked) -> Answer:
    """What pages are made with. Its address changes with it."""
    name = asked.path["name"]
    if name not in STATIC:
        raise Refused(asked.say("There is nothing here."), 404)
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


def speak(asked: Asked) -> Answer:
    """Keep in this browser in which language its pages are; then back to the page that the form stood on."""
    language, back = asked.text("language", 10), asked.form.get("back", "")
    if language not in LANGUAGES:
        raise Refused(asked.say("There are no pages in this language."), 422)
    to = back if _PAGE.fullmatch(back) else "/"
    return Go(to, (Cookie(guard.LANGUAGE, language, guard.LANGUAGE_S),))


def _provider(asked: Asked) -> Provider:
    if asked.room.oidc is None:
        raise Refused(asked.say("There is nothing here."), 404)
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
    given: dict[str, Any] = {"people": people, "local": local, "oidc": asked.room.oidc is not None}
    given |= {"wrong": wrong and str(wrong), "wait_s": wrong.wait_s if wrong else 0}
    return Html("login.html", {**given, "name": asked.form.get("name", "")[:100]}, status)
