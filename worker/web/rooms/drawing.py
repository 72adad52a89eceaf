"""Pages as text. Everything that is put into a template is escaped there: autoescape is on for all of them."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from shared.domain.discrepancies import short
from shared.domain.roles import MAY, SEES_PERSONAL, Deed
from shared.languages import SOURCE
from shared.people.sessions import Session
from shared.reconciliation.report.words import CODES, words
from worker.web.rooms.language import NAMES, translations
from worker.web.rooms.writing import filters

HERE = Path(__file__).parent
# What may be asked for under /static: name and media type.
STATIC: Mapping[str, str] = {
    "room.css": "text/css; charset=utf-8",
    "mark.svg": "image/svg+xml",
    "htmx.min.js": "text/javascript; charset=utf-8",
}
_MASK = "••••"


def draw(template: str, session: Session | None, language: str, given: Mapping[str, Any]) -> bytes:
    """One of the templates, filled, in one of LANGUAGES."""
    shared: dict[str, Any] = {"who": session, "may": lambda deed: may(session, deed), "sees": sees(session)}
    shared |= {"here": "", "said": None, "held": None, "back": "/"}
    return _pages(language).get_template(template).render(**{**shared, **given}).encode()


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
def _pages(language: str) -> Environment:
    """In the templates `_` and `ngettext` give texts of ours. A translation is text there: what of it would be markup
    is escaped, as its values are."""
    pages = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    said = translations(language)
    pages.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: escape(said.gettext(text)),
        lambda one, more, number: escape(said.ngettext(one, more, number)),
        newstyle=True,
    )
    pages.globals |= {"once": lambda: secrets.token_urlsafe(16), "static": _version}
    pages.globals |= {"language": language, "languages": NAMES, "closing": lambda code: CODES.get(code, code)}
    pages.globals["english"] = lambda text: _english(text, said.gettext(text) if text else text, language)
    pages.filters |= filters(language)
    pages.filters |= {
        "word": lambda code: said.gettext(code.replace("_", " ")) if code else code,
        "say": lambda text: said.gettext(text) if text else text,
        "kind": lambda category: said.gettext(words(category).title),
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


def _english(text: str | None, said: str | None, language: str) -> str:
    """The attribute of what no catalogue has: a program that reads the page aloud reads it as English."""
    return Markup(' lang="en"') if said == text and language != SOURCE else ""


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
