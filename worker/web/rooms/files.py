"""Files of the books: how they are called and sent, and a folder in which one is made."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.domain.words import mark
from shared.settings.reporting import LANGUAGES
from shared.telemetry.logs import get_logger
from worker.web.rooms.answers import Asked, Download, Refused
from worker.web.rooms.drawing import sees
from worker.web.rooms.room import WRITTEN

log = get_logger(__name__)

MOST_BYTES = 1024 * 1024 * 1024
NOT_FOR_VIEWERS = mark("Reports name accounts, and are not for viewers.")
_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".zip": "application/zip",
}
# A report is one file with its style in it, and no script.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
OF_A_PAGE: Mapping[str, str] = {"Content-Security-Policy": _POLICY}


def place(_: Asked) -> str:
    """Where they are made: here, and one after another, for it takes the processor."""
    return WRITTEN


def must_see(asked: Asked) -> None:
    """Raises Refused for who may not see what is about customers."""
    if not sees(asked.session):
        raise Refused(asked.say(NOT_FOR_VIEWERS), 403)


def language(asked: Asked) -> str | None:
    """The one that was asked for; None: the settings'."""
    found = asked.query.get("language", "")
    return found if found in LANGUAGES else None


def spoken(asked: Asked) -> str:
    """The one that is chosen while nobody asked for another: the page's."""
    return language(asked) or asked.language


def sent(asked: Asked, path: Path, name: str, *, shown: bool = False) -> Download:
    """A file, under this name. shown: a browser shows it as a page of its own. Raises Refused for one that is too
    large."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise Refused(asked.say("This file is too large for a page; the command line writes it into a folder."), 413)
    given = OF_A_PAGE if shown else {"Content-Disposition": f'attachment; filename="{name}"'}
    return Download(path.open("rb"), size, _TYPES[path.suffix], given)


@contextmanager
def folder(asked: Asked) -> Iterator[Path]:
    """A folder for files that are sent; it is gone at the end, and what is open stays readable. Raises Refused where
    the disk is full."""
    try:
        with tempfile.TemporaryDirectory(prefix="settlepipe-") as made:
            yield Path(made)
    except OSError as error:
        log.error("a file could not be written for a page", reason=type(error).__name__)
        said = asked.say("There is no room for this file here (TMPDIR of the process `web`). Nothing was written.")
        raise Refused(said, 503) from None
