"""What keeps strangers and their pages from doing anything: cookies, a form's token, and where it comes from."""

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from shared.people.sessions import KNOWN_BROWSER_S, Session
from worker.web.rooms.answers import Cookie

SESSION, BROWSER, BEGUN = "settlepipe", "settlepipe-browser", "settlepipe-oidc"
LANGUAGE, LANGUAGE_S = "settlepipe-language", 400 * 86_400  # browsers keep nothing longer
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
VARIES: Mapping[str, str] = {"Vary": "Accept-Language, Cookie"}  # of what is in the reader's language
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def cookie_name(name: str, secure: bool) -> str:
    """Over TLS with the prefix by which a browser takes it from this host alone."""
    return f"__Host-{name}" if secure else name


def set_cookie(response: Response, cookie: Cookie, secure: bool) -> None:
    """For this host, no script, no other site."""
    response.set_cookie(
        cookie_name(cookie.name, secure),
        cookie.value,
        max_age=cookie.most_s,
        path="/",
        secure=secure,
        httponly=True,
        samesite=cookie.samesite,
    )


def entered(session: str, browser: str) -> tuple[Cookie, Cookie]:
    """The cookies of somebody who was let in."""
    return Cookie(SESSION, session), Cookie(BROWSER, browser, KNOWN_BROWSER_S)


def left() -> tuple[Cookie]:
    """Of somebody who went."""
    return (Cookie(SESSION, "", 0),)


def from_elsewhere(request: Request) -> bool:
    """Does a form come from a page of another site? Yes also where the browser does not say: today's all do."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return True
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if origin is None:
        return site is None
    try:
        parts = urlsplit(origin)
    except ValueError:
        return True
    return parts.scheme not in ("http", "https") or not host or parts.netloc.lower() != host.lower()


def bears_its_token(session: Session, form: Mapping[str, str]) -> bool:
    """Was this form made for this session?"""
    return hmac.compare_digest(session.form.encode(), form.get("form", "").encode("utf-8", "replace"))
