"""Pages as text. Everything that is put into a template is escaped there: autoescape is on for all of them."""

import gettext
import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from shared.domain.discrepancies import short
from shared.domain.roles import MAY, SEES_PERSONAL, Deed
from shared.domain.words import lasting
from shared.people.sessions import Session

HERE = Path(__file__).parent
# What may be asked for under /static: name and media type.
STATIC: Mapping[str, str] = {
    "room.css": "text/css; charset=utf-8",
    "mark.svg": "image/svg+xml",
    "htmx.min.js": "text/javascript; charset=utf-8",
}
_MASK = "••••"


def draw(template: str, session: Session | None, given: Mapping[str, Any]) -> bytes:
    """One of the templates, filled."""
    shared = {"who": session, "may": lambda deed: may(session, deed), "sees": sees(session)}
    return (
        _pages().get_template(template).render(**{**shared, "here": "", "said": None, "held": None, **given}).encode()
    )


def may(session: Session | None, deed: str) -> bool:
    """Is a deed for this person's role?"""
    return session is not None and session.role in MAY[Deed(deed)]


def sees(session: Session | None) -> bool:
    """Does this person see what is about a customer?"""
    return session is not None and session.role in SEES_PERSONAL


@cache
def static(name: str) -> bytes:
    """One of STATIC."""
    return (HERE / "static" / name).read_bytes()


@cache
def _version(name: str) -> str:
    return f"/static/{name}?v={hashlib.sha256(static(name)).hexdigest()[:12]}"


@cache
def _pages() -> Environment:
    """In the templates `_` and `ngettext` give texts of ours, for catalogues that are still to come."""
    pages = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    said = gettext.NullTranslations()
    pages.install_gettext_callables(said.gettext, said.ngettext, newstyle=True)  # type: ignore[attr-defined]
    pages.globals |= {"once": lambda: secrets.token_urlsafe(16), "static": _version, "lasting": lasting}
    pages.filters |= {
        "moment": _moment,
        "part": _part,
        "short": _short,
        "digest": short,
        "masked": masked,
        "pretty": _pretty,
        "commands": _commands,
    }
    return pages


def masked(value: Any) -> Any:
    """The same with no more than the last two characters of each text and number."""
    if isinstance(value, Mapping):
        return {name: masked(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [masked(one) for one in value]
    if value is None or isinstance(value, bool):
        return value
    text = str(value)
    return _MASK + (text[-2:] if len(text) > 4 else "")


def _moment(value: datetime | str | None) -> str:
    """`2026-11-21 03:24:12`, in UTC."""
    if value is None:
        return ""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _part(value: object) -> str:
    """As a part of a URL's path."""
    return quote(str(value), safe="")


def _short(value: object, most: int = 60) -> str:
    text = str(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def _commands(text: str) -> Markup:
    """What stands in backquotes as code."""
    parts = (escape(part) for part in text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def _pretty(value: Any) -> str:
    """What a program said, for people."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
