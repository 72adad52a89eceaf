"""Each page as a route: who asks, may they, and what goes wrong, said for people. The one way to every page."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO
from urllib.parse import parse_qsl

import redis
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from shared.brake import StandsOtherwise
from shared.database import store
from shared.database.engine import Connection
from shared.directory.confirm import Unconfirmable
from shared.domain.roles import MAY
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
from worker.web.rooms.room import Room, is_here
from worker.web.rooms.saying import SAID
from worker.web.rooms.table import PAGES, Page

log = get_logger(__name__)

_FORM = "application/x-www-form-urlencoded"
_FORM_BYTES, _FIELDS = 64 * 1024, 600
_PART_BYTES = 64 * 1024
_LATE = "It takes longer than a page can wait, and may go on by itself. Open the page again in some minutes."
_BUSY = "Others are waiting for this, too, and it takes long. Nothing was done; try again in a minute."
_SENTENCES = (NotAllowed, NotProved, Unresolvable, Unconfirmable, Void, StandsOtherwise, Ended)
_FIXED: Mapping[type[Exception], tuple[str, int]] = {
    DoneBefore: (
        "This form was sent before. Open the page again to see what came of it; nothing was changed now.",
        409,
    ),
    redis.RedisError: ("The broker does not answer. Nothing was changed; try again later.", 503),
    Busy: ("Too many log-ins are under way; try again in some seconds.", 503),
}


def routes(door: Door) -> list[Route]:
    """One for each page, in the table's order."""
    room = Room(door)
    return [_route(room, page) for page in PAGES]


def _route(room: Room, page: Page) -> Route:
    async def endpoint(request: Request) -> Response:
        secure = request.scope["scheme"] == "https" or room.door.settings.tls_in_front
        try:
            form = await _form(room, request) if page.method == "POST" else {}
            work = room.log_ins if page.enters else room.views
            if page.looks is None:
                return await work(lambda: _answered(page, request, *_known(room, page, request, form, secure)[:2]))
            # Who asks is known first: a stranger takes no thread of a place outside, nor does one that hangs another's.
            asked, answer, place = await work(lambda: _known(room, page, request, form, secure))
            work = room.outside(place) if answer is None else room.views
            return await work(lambda: _answered(page, request, asked, answer))
        except Problem as problem:
            return _problem(problem, page)
        except Exception as error:  # its text may hold what was asked for
            log.error("a page met a mistake in settlepipe", page=page.path, reason=type(error).__name__)
            return _problem(Problem(Fault.DEFECT), page)

    return Route(page.path, endpoint, methods=[page.method])


def _known(
    room: Room, page: Page, request: Request, form: Mapping[str, str], secure: bool
) -> tuple[Asked, Answer | None, str]:
    """Who asks for what; what is answered in place of the page, if anything is; and where the page looks."""
    address = request.client.host if request.client else ""
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
    asked = Asked(room, session, *given, address, here, secure, held)
    answer = _checked(page, request, session, form, token)
    try:
        return asked, answer, page.looks(asked) if page.looks is not None and answer is None else ""
    except Refused as error:
        return asked, _sentence(str(error), error.status), ""


def _held(connection: Connection) -> str | None:
    """Whatever somebody does, they should not overlook that nothing goes on."""
    found = store.look(connection)
    return found.told if found.held_at else None


def _answered(page: Page, request: Request, asked: Asked, answer: Answer | None) -> Response:
    said = SAID.get(request.query_params.get("said", ""))
    return _response(answer or _made(page, asked), asked.session, asked.secure, said, asked.held)


def _checked(
    page: Page, request: Request, session: Session | None, form: Mapping[str, str], token: str | None
) -> Answer | None:
    """What is answered in place of the page; None: it may be."""
    if page.method == "POST" and guard.from_elsewhere(request):
        return _sentence("This form came from another site. Nothing was done.", 403)
    if any("\x00" in text for text in (*request.path_params.values(), *request.query_params.values())):
        return _sentence("There is nothing here.", 404)  # no text of PostgreSQL's has it
    if page.open:
        return None
    return _to_login(request, token) if session is None else _may(page, session, form)


def _to_login(request: Request, token: str | None) -> Answer:
    if request.headers.get("hx-request"):  # it is the whole page that has to go there
        return Document(b"", "text/plain", {"HX-Redirect": "/login"})
    # Behind a link of another site no cookie of ours comes, and other programs' may: nobody is logged out by that.
    return Go("/login", () if token is None else guard.left())


def _may(page: Page, session: Session, form: Mapping[str, str]) -> Answer | None:
    if page.method == "POST" and not guard.bears_its_token(session, form):
        return _sentence("This form is of another log-in. Open the page again; nothing was done.", 403)
    if page.deed is not None and session.role not in MAY[page.deed]:
        said = f"{session.name} is {session.role}; this is for {' or '.join(sorted(MAY[page.deed]))}. Nothing was done."
        return _sentence(said, 403)
    return None


def _made(page: Page, asked: Asked) -> Answer:
    try:
        return page.answers(asked)
    except tuple(_FIXED) as error:
        return _sentence(*next(said for kind, said in _FIXED.items() if isinstance(error, kind)))
    except Refused as error:
        return _sentence(str(error), error.status)
    except _SENTENCES as error:
        return _sentence(str(error), 409)
    except ValueError as error:
        if page.method != "POST":
            raise
        return _sentence(str(error), 422)


def _sentence(sentence: str, status: int) -> Html:
    said = sentence[:1].upper() + sentence[1:]
    return Html("sentence.html", {"sentence": said if said.endswith(".") else f"{said}."}, status)


def _problem(problem: Problem, page: Page) -> Response:
    problem.count()
    code, said = problem.document["code"], problem.document.get("detail") or problem.document["title"]
    if page.looks is not None:
        said = {Fault.PROVIDER_AWAY: _LATE, Fault.BUSY: _BUSY}.get(code, said)
    answer = _sentence(said, problem.status)
    response = _response(answer, None, False)
    response.headers.update(problem.headers)
    return response


def _response(
    answer: Answer, session: Session | None, secure: bool, said: str | None = None, held: str | None = None
) -> Response:
    match answer:
        case Html():
            body = draw(answer.template, session, {"said": said, "held": held, **answer.given})
            response = Response(body, answer.status, media_type="text/html; charset=utf-8")
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
            guard.set_cookie(response, cookie, secure)
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
