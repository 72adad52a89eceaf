"""What a page answers with, and what it is asked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, Literal

from shared.domain.words import plain
from shared.languages import SOURCE
from shared.people import sessions
from shared.people.forms import Once
from shared.people.sessions import Session
from worker.web.rooms.language import translations
from worker.web.rooms.room import Room


@dataclass(frozen=True, slots=True)
class Cookie:
    """One to set. most_s: how long the browser keeps it; None: until it is closed; 0: it is to be forgotten. samesite:
    lax for one that comes back with a person whom another site sends here."""

    name: str
    value: str = field(repr=False)
    most_s: int | None = None
    samesite: Literal["strict", "lax"] = "strict"


@dataclass(frozen=True, slots=True)
class Html:
    """A page: the template, and what is put into it."""

    template: str
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)
    status: int = 200
    cookies: Sequence[Cookie] = ()


@dataclass(frozen=True, slots=True)
class Go:
    """Look there instead."""

    to: str
    cookies: Sequence[Cookie] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A file, as it is."""

    body: bytes = field(repr=False)
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Download:
    """An open file, which is sent part by part, however slowly it is taken, and closed then."""

    file: BinaryIO = field(repr=False)
    size: int
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Html | Go | Document | Download


class Refused(Exception):  # noqa: N818 - says what is so
    """Nothing was done; the message says why, in a sentence for people."""

    def __init__(self, message: str, status: int = 409) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be answered. session: None on pages that are open to everybody. here: it comes from this
    machine itself. held: a sentence, while the store is. language: the page's."""

    room: Room
    session: Session | None
    path: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    form: Mapping[str, str] = field(repr=False)
    cookies: Mapping[str, str] = field(repr=False)
    address: str = field(repr=False)
    here: bool = False
    secure: bool = False
    held: str | None = None
    language: str = SOURCE

    @property
    def who(self) -> Session:
        """Whose session it is. Of pages that are not open."""
        assert self.session is not None  # noqa: S101 - the table of pages says so
        return self.session

    def say(self, text: str, **values: object) -> str:
        """A text in the page's language; `%(name)s` in it is a value."""
        return plain(translations(self.language).gettext(text), **values)

    def word(self, code: str, **values: object) -> str:
        """The same of a code: with blanks for its underscores."""
        return self.say(code.replace("_", " "), **values)

    def once(self) -> Once:
        """The database for what this form asks for, which is done once. Raises Refused for a form without its token."""
        token = self.form.get("once", "")
        if re.fullmatch(r"[A-Za-z0-9_-]{16,64}", token) is None:
            raise Refused(self.say("This form is not whole. Open the page again; nothing was done."), 422)
        still = partial(sessions.must_be_in, session=self.who, rules=self.room.rules(self.here))
        return Once(self.room.database, f"{self.who.name}:{token}", self.who.name, still)

    def read(self) -> Any:
        """A connection for a block that looks."""
        return self.room.database.connection()

    def text(self, name: str, most: int = 500) -> str:
        """What was typed there, without blanks around it. Raises Refused for more than is read."""
        found = self.form.get(name, "").strip()
        if len(found) > most or "\x00" in found:
            said = self.say("%(field)s has at most %(most)s characters; nothing was changed.", field=name, most=most)
            raise Refused(said, 422)
        return found

    def whole(self, name: str, digits: int) -> int | None:
        """A whole number behind the `?`, of so many digits at most; None for what is none."""
        found = self.query.get(name, "")
        return int(found) if found.isascii() and found.isdigit() and len(found) <= digits else None

    def number(self, name: str, most: int = 2**63 - 1) -> int:
        """A number of the path. Raises Refused for what is none."""
        found = self.path.get(name, "")
        if not found.isascii() or not found.isdigit() or len(found) > 19 or not 0 < int(found) <= most:
            raise Refused(self.say("There is nothing under this number."), 404)
        return int(found)
