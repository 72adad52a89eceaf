"""The days that were compared with the books: who signed them, and each one's report in the reader's language."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from shared.domain.discrepancies import Signed
from shared.reconciliation import report, sign, views
from worker.web.rooms import files
from worker.web.rooms.answers import Answer, Asked, Document, Go, Html, Refused

_ROWS = 60
_FILES = frozenset(report.FILES) - {"report.html"}


def page(asked: Asked) -> Answer:
    """A page of them, the newest first."""
    found = re.fullmatch(r"(\d{4}-\d{2}-\d{2})~([a-z]{1,64})", asked.query.get("before", ""))
    before = None if found is None or _day(found[1]) is None else (found[1], found[2])
    with asked.read() as connection:
        rows = views.days(connection, before, _ROWS + 1)
    following = f"{rows[_ROWS - 1]['day']}~{rows[_ROWS - 1]['provider']}" if len(rows) > _ROWS else None
    return Html("days.html", {"rows": rows[:_ROWS], "following": following, "here": "days"})


def one(asked: Asked) -> Answer:
    """One, to be signed."""
    given = {"row": _row(asked), "here": "days", "mine": asked.who.name}
    return Html("day.html", given)


def signs(asked: Asked) -> Answer:
    """Sign it: one person prepared it, another one reviewed it, and so again where it changed. What is signed is what
    the page showed: of a page that was opened before it changed nothing is done."""
    row, role = _row(asked), asked.text("role", 20)
    if role not in list(Signed):
        raise Refused(asked.say("A day is signed as prepared or as reviewed; nothing was changed."), 422)
    given: dict[str, Any] = {"by": asked.who.name, "reason": asked.text("reason") or None}
    given["books"] = asked.text("books", 64)
    sign.sign(asked.once(), row["provider"], date.fromisoformat(row["day"]), Signed(role), **given)
    return Go(f"/days/{row['provider']}/{row['day']}?said=signed")


def place(_: Asked) -> str:
    """Where reports are kept, which may be on another machine."""
    return "reports"


def shown(asked: Asked) -> Answer:
    """Its report as it would be written now."""
    row = _row(asked)
    files.must_see(asked)
    _must_be_compared(asked, row)
    text = report.as_page(asked.room.runtime, row["id"], files.language(asked))
    return Document(text.encode(), "text/html; charset=utf-8", files.OF_A_PAGE)


def file(asked: Asked) -> Answer:
    """One of the files beside its report: as the night wrote it where that stands on this machine, else, or in another
    language, as it would be written now."""
    row, name = _row(asked), asked.path["file"]
    files.must_see(asked)
    if name not in _FILES:
        raise Refused(asked.say("There is nothing here."), 404)
    path = asked.room.runtime.settings.home.expanduser().absolute() / "reports" / row["day"] / row["provider"] / name
    called = f"{row['provider']}-{row['day']}-{name}"
    if path.is_file() and files.language(asked) is None:
        return files.sent(asked, path, called)
    _must_be_compared(asked, row)
    with files.folder(asked) as folder:
        found = report.write_one(asked.room.books, row["id"], name, folder, files.language(asked))
        if found is None:
            raise Refused(
                asked.say("What this file is made from is no longer kept: look where the night wrote its report."), 404
            )
        return files.sent(asked, found, called)


def _must_be_compared(asked: Asked, row: Mapping[str, Any]) -> None:
    if not row["compared"]:
        raise Refused(asked.say("This day was not compared yet: there is nothing to report."), 404)


def _row(asked: Asked) -> Mapping[str, Any]:
    provider, day = asked.path["provider"], asked.path["day"]
    found = None
    if provider in asked.room.runtime.registrations and _day(day) is not None:
        with asked.read() as connection:
            found = views.day(connection, provider, day)
    if found is None:
        raise Refused(asked.say("Nothing was compared for this day."), 404)
    return found


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-01-01") else None
    except ValueError:
        return None
