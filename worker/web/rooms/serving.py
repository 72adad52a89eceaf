"""Each page as a route: who asks, may they, and what goes wrong, said for people. The one way to every page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO
from urllib.parse import parse_qsl, urlencode

import redis
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from shared.brake import StandsOtherwise
from shared.database import store
from shared.database.engine import Connection
from shared.directory.confirm import Unconfirmable
from shared.domain.roles import MAY
from shared.domain.words import mark
from shared.payments.look import Unresolvable
from shared.people import sessions
from shared.people.forms import DoneBefore
from shared.people.oidc import NotProved
from shared.people.passwords import Busy
from shared.people.proposals import Void
from shared.people.prove import NotAllowed
from shared.people.sessions import Ended, Session
from shared.telemetry.logs import get_logger
from worker.web.door import Door
from worker.web.problems import Fault, Problem
from worker.web.rooms import guard
from worker.web.rooms.answers import Answer, Asked, Document, Download, Go, Html, Refused
from worker.web.rooms.drawing import draw
from worker.web.rooms.language import spoken, translations
from worker.web.rooms.room import Room, is_here
from worker.web.rooms.saying import SAID
from worker.web.rooms.table import PAGES, Page
from worker.web.rooms.writing import either

log = get_logger(__name__)

_FORM = "application/x-www-form-urlencoded"
_FORM_BYTES, _FIELDS = 64 * 1024, 600
_PART_BYTES = 64 * 1024
_LATE = mark("It takes longer than a page can wait, and may go on by itself. Open the page again in some minutes.")
_BUSY = mark("Others are waiting for this, too, and it takes long. Nothing was done; try again in a minute.")
_SENTENCES = (NotAllowed, NotProved, Unresolvable, Unconfirmable, Void, StandsOtherwise, Ended)
_FIXED: Mapping[type[Exception], tuple[str, int]] = {
    DoneBefore: (
        mark("This form was sent before. Open the page again to see what came of it; nothing was changed now."),
        409,
    ),
    redis.RedisError: (mark("The broker does not answer. Nothing was changed; try again later."), 503),
    Busy: (mark("Too many log-ins are under way; try again in some seconds."), 503),
}


@dataclass(frozen=True, slots=True)
class _Reads:
    """Who reads the answer. back: the page that they are on, where one can look at it again."""

    language: str
    secure: bool
    back: str


def routes(door: Door) -> list[Route]:
    """One for each page, in the table's order."""
    room = Room(door)
    return [_route(room, page) for page in PAGES]


def _route(room: Room, page: Page) -> Route:
    async def endpoint(request: Request) -> Response:
        reads = _reads(room, request)
        try:
            form = await _form(room, request) if page.method == "POST" else {}
            work = room.log_ins if page.enters else room.views
            known = partial(_known, room, page, request, form, reads)
            if page.looks is None:
                return await work(lambda: _answered(page, request, reads, *known()[:2]))
            # Who asks is known first: a stranger takes no thread of a place outside, nor does one that hangs another's.
            asked, answer, place = await work(known)
            work = room.outside(place) if answer is None else room.views
            return await work(lambda: _answered(page, request, reads, asked, answer))
        except Problem as problem:
            return _problem(problem, page, reads)
        except Exception as error:  # its text may hold what was asked for
            log.error("a page met a mistake in settlepipe", page=page.path, reason=type(error).__name__)
            return _problem(Problem(Fault.DEFECT), page, reads)

    return Route(page.path, endpoint, methods=[page.method])


def _reads(room: Room, request: Request) -> _Reads:
    secure = request.scope["scheme"] == "https" or room.door.settings.tls_in_front
    kept = request.cookies.get(guard.cookie_name(guard.LANGUAGE, secure), "")
    language = spoken(kept, request.headers.get("accept-language", ""), room.language)
    said = [(name, value) for name, value in request.query_params.multi_items() if name != "said"]
    back = request.url.path + (f"?{urlencode(said)}" if said else "")
    return _Reads(language, secure, back if request.method == "GET" else "/")


def _known(
    room: Room, page: Page, request: Request, form: Mapping[str, str], reads: _Reads
) -> tuple[Asked, Answer | None, str]:
    """Who asks for what; what is answered in place of the page, if anything is; and where the page looks."""
    address, secure = request.client.host if request.client else "", reads.secure
    token = request.cookies.get(guard.cookie_name(guard.SESSION, secure))
    kept = (guard.SESSION, guard.BROWSER, guard.BEGUN)
    cookies = {name: request.cookies.get(guard.cookie_name(name, secure), "") for name in kept}
    here = is_here(address, request.headers.get("x-forwarded-for"))
    session, held = None, None
    if page.path != "/static/{name}":
        with room.database.connection() as connection:
            session = sessions.find(connection, token, room.rules(here), used=not page.polls)
            held = None if session is None else _held(connection)
    given = (dict(request.path_params), dict(request.query_params), form, cookies)
    asked = Asked(room, session, *given, address, here, secure, held, reads.language)
    answer = _checked(page, request, asked, token)
    try:
        return asked, answer, page.looks(asked) if page.looks is not None and answer is None else ""
    except Refused as error:
        return asked, _sentence(str(error), error.status), ""


def _held(connection: Connection) -> str | None:
    """Whatever somebody does, they should not overlook that nothing goes on."""
    found = store.look(connection)
    return found.told if found.held_at else None


def _answered(page: Page, request: Request, reads: _Reads, asked: Asked, answer: Answer | None) -> Response:
    said = SAID.get(request.query_params.get("said", ""))
    return _response(answer or _made(page, asked), reads, asked.session, said and asked.say(said), asked.held)


def _checked(page: Page, request: Request, asked: Asked, token: str | None) -> Answer | None:
    """What is answered in place of the page; None: it may be."""
    if page.method == "POST" and guard.from_elsewhere(request):
        return _sentence(asked.say("This form came from another site. Nothing was done."), 403)
    if any("\x00" in text for text in (*request.path_params.values(), *request.query_params.values())):
        return _sentence(asked.say("There is nothing here."), 404)  # no text of PostgreSQL's has it
    if page.open:
        return None
    return _to_login(request, token) if asked.session is None else _may(page, asked, asked.session)


def _to_login(request: Request, token: str | None) -> Answer:
    if request.headers.get("hx-request"):  # it is the whole page that has to go there
        return Document(b"", "text/plain", {"HX-Redirect": "/login"})
    # Behind a link of another site no cookie of ours comes, and other programs' may: nobody is logged out by that.
    return Go("/login", () if token is None else guard.left())


def _may(page: Page, asked: Asked, session: Session) -> Answer | None:
    if page.method == "POST" and not guard.bears_its_token(session, asked.form):
        return _sentence(asked.say("This form is of another log-in. Open the page again; nothing was done."), 403)
    if page.deed is not None and session.role not in MAY[page.deed]:
        roles = either((asked.word(role) for role in sorted(MAY[page.deed])), asked.language)
        given = {"who": session.name, "role": asked.word(session.role), "roles": roles}
        return _sentence(asked.say("%(who)s is %(role)s; this is for: %(roles)s. Nothing was done.", **given), 403)
    return None


def _made(page: Page, asked: Asked) -> Answer:
    try:
        return page.answers(asked)
    except tuple(_FIXED) as error:
        said, status = next(said for kind, said in _FIXED.items() if isinstance(error, kind))
        return _sentence(asked.say(said), status)
    except Refused as error:
        return _sentence(str(error), error.status)
    except _SENTENCES as error:
        return _told(str(error), 409, asked.language)
    except ValueError as error:
        if page.method != "POST":
            raise
        return _told(str(error), 422, asked.language)


def _told(text: str, status: int, language: str) -> Html:
    """What another part of the product says, in the page's language where its catalogue has it."""
    said = translations(language).gettext(text)
    return _sentence(said, status, english=said == text)


def _sentence(sentence: str, status: int, *, english: bool = False) -> Html:
    said = sentence[:1].upper() + sentence[1:]
    whole = said if said.endswith(".") else f"{said}."
    return Html("sentence.html", {"sentence": whole, "in_english": english}, status)


def _problem(problem: Problem, page: Page, reads: _Reads) -> Response:
    problem.count()
    code, said = problem.document["code"], problem.document.get("detail") or problem.document["title"]
    if page.looks is not None:
        said = {Fault.PROVIDER_AWAY: _LATE, Fault.BUSY: _BUSY}.get(code, said)
    response = _response(_told(said, problem.status, reads.language), reads, None)
    response.headers.update(problem.headers)
    return response


def _response(
    answer: Answer, reads: _Reads, session: Session | None, said: str | None = None, held: str | None = None
) -> Response:
    match answer:
        case Html():
            given = {"said": said, "held": held, "back": reads.back, **answer.given}
            body = draw(answer.template, session, reads.language, given)
            response = Response(body, answer.status, media_type="text/html; charset=utf-8")
            response.headers.update(guard.VARIES)
        case Go():
            response = Response(b"", 303, {"Location": answer.to})
        case Document():
            response = Response(answer.body, 200, media_type=answer.media_type)
        case Download():
            response = StreamingResponse(_parts(answer.file), 200, media_type=answer.media_type)
            response.headers["Content-Length"] = str(answer.size)
    for name, value in guard.HEADERS.items():
        response.headers[name] = value
    if isinstance(answer, Document | Download):
        response.headers.update(answer.headers)
    else:
        for cookie in answer.cookies:
            guard.set_cookie(response, cookie, reads.secure)
    return response


def _parts(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while part := file.read(_PART_BYTES):
            yield part


async def _form(room: Room, request: Request) -> Mapping[str, str]:
    """A form's fields; of several with one name the last. Raises Problem."""
    with room.form():
        async with room.door.body(request, _FORM, _FORM_BYTES) as body:
            return _fields(body)


def _fields(body: bytes) -> Mapping[str, str]:
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=_FIELDS)
    except ValueError:
        raise Problem(Fault.BAD_PARAMETER, "the form can't be read") from None
    return dict(fields)
