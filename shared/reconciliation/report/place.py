"""The place where the reports of all machines stand together: an object store, or a folder that they share.

Each machine writes its reports into its own HOME first. What is kept there goes up as it is: a file is there whole or
not at all, summary.json last. Credentials are the object store's own variables (AWS_ACCESS_KEY_ID, …), read by obstore,
which is 10 MB that most processes do without: whoever needs this module imports it then.
"""

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from shared.reconciliation.report.index import NIGHTS, write_index
from shared.settings.reporting import ReportSettings

SUMMARY = "summary.json"
PART_BYTES = 8 * 1024 * 1024  # of a large file, which goes up in parts
PARTS_AT_ONCE = 4
ASKED_AT_ONCE = 16
INDEX_TRIES = 10
RETRIES = 4
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class Unkept(Exception):  # noqa: N818 - says what is so
    """The place can't be reached, or refuses. The message says why, without credentials."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place, by its address: `s3://bucket/prefix`, `gs://…`, `az://…` or `file:///…`. timeout_s: of one request."""

    url: str
    store: Any

    def of(self, *names: str) -> str:
        """The address of what stands there under these names."""
        return "/".join((self.url.rstrip("/"), *names))


def place(settings: ReportSettings) -> Place | None:
    """Where all reports go; None where none is set. Nothing is asked yet. Raises Unkept where it has no sense."""
    if settings.store_url is None:
        return None
    limit = timedelta(seconds=settings.store_timeout_s)
    try:
        if settings.store_url.startswith("file:"):
            return Place(settings.store_url, LocalStore(settings.store_url.removeprefix("file://"), mkdir=True))
        options: Any = {"timeout": limit, "connect_timeout": min(limit, timedelta(seconds=10))}
        if os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true":
            options["allow_http"] = True
        retries: Any = {"max_retries": RETRIES, "retry_timeout": limit}
        return Place(settings.store_url, from_url(settings.store_url, client_options=options, retry_config=retries))
    except (BaseError, ValueError, OSError) as error:
        raise Unkept(_reason(error)) from None


def put(to: Place, folder: Path, *names: str) -> str:
    """Have every file of `folder` stand under these names, summary.json last; the address of these. Raises Unkept.

    What is there already is written over; what is not in the folder any more stays.
    """
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    for path in sorted(files, key=lambda one: one.name == SUMMARY):
        with _said():
            _put(to, path, *names)
    return to.of(*names)


def _put(to: Place, path: Path, *names: str) -> None:
    obstore.put(
        to.store,
        "/".join((*names, path.name)),
        path,
        attributes=None if to.url.startswith("file:") else {"Content-Type": _type(path)},
        chunk_size=PART_BYTES,
        max_concurrency=PARTS_AT_ONCE,
    )


def index(of: Place, locale: str | None = None, language: str | None = None) -> None:
    """Write index.html over the newest nights of every machine. Raises Unkept, ValueError for an unknown locale
    or language.

    Several machines may do it at once: each looks afterwards whether there is a summary that it did not read, and
    begins again then. So whoever writes last has read all that were there before.
    """
    for _ in range(INDEX_TRIES):
        found = _summaries(of)
        with TemporaryDirectory(prefix="settlepipe-index-") as made, ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            root = Path(made)
            list(pool.map(lambda name, root=root: _download(of, name, root / name), found))
            write_index(root, locale, language)
            with _said():
                _put(of, root / "index.html")
        if _summaries(of) == found:
            return
    raise Unkept(f"{INDEX_TRIES} times another machine's report came while the index was written")


def copies(of: Place, folder: Path, *names: str) -> list[Path]:
    """Bring what stands under these names into `folder`; the files. Raises Unkept."""
    prefix = "/".join(names)
    with _said():
        found = [name for name in _listed(of, f"{prefix}/") if name.startswith(f"{prefix}/") and not name.endswith("/")]
    for name in found:
        _download(of, name, folder / name)
    return [folder / name for name in found]


def days(of: Place) -> Mapping[str, list[str]]:
    """The days and providers that have a report there, the newest day first. Raises Unkept."""
    found: dict[str, list[str]] = {}
    for name in sorted(_summaries(of), reverse=True):
        day, provider, _ = name.split("/")
        found.setdefault(day, []).insert(0, provider)
    return found


def has_newer(there: Place, folder: Path, *names: str) -> bool:
    """Does a report stand there under these names that was compared later than the one in `folder`? Raises Unkept."""
    try:
        told = bytes(obstore.get(there.store, "/".join((*names, SUMMARY))).bytes())
    except FileNotFoundError:
        return False
    except (BaseError, OSError) as error:
        raise Unkept(_reason(error)) from None
    return _compared_at(told) > _compared_at((folder / SUMMARY).read_bytes())


def _compared_at(summary: bytes) -> str:
    """As text in UTC, which sorts as its time does; nothing where it is no summary of ours."""
    try:
        return str(json.loads(summary)["times"]["compared_at"] or "")
    except (ValueError, KeyError, TypeError):
        return ""


def _summaries(of: Place) -> dict[str, str | None]:
    """`<day>/<provider>/summary.json` of the newest nights, each with the mark of its content."""
    with _said():
        folders = obstore.list_with_delimiter(of.store)["common_prefixes"]
    nights = sorted(name.strip("/") for name in folders if _is_day(name.strip("/")))[-NIGHTS:]
    with _said(), ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        return dict(pair for found in pool.map(lambda night: _of_night(of, night), nights) for pair in found)


def _of_night(of: Place, night: str) -> list[tuple[str, str | None]]:
    listed = (meta for page in obstore.list(of.store, prefix=f"{night}/") for meta in page)
    return [
        (meta["path"], meta["e_tag"])
        for meta in listed
        if len(parts := meta["path"].split("/")) == 3 and parts[0] == night and parts[2] == SUMMARY
    ]


def _listed(of: Place, prefix: str) -> Iterator[str]:
    for page in obstore.list(of.store, prefix=prefix):
        yield from (meta["path"] for meta in page)


def _download(of: Place, name: str, to: Path) -> None:
    with _said():
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("wb") as file:
            for piece in obstore.get(of.store, name):
                file.write(piece)


def _is_day(name: str) -> bool:
    try:
        return date.fromisoformat(name).isoformat() == name
    except ValueError:
        return False


def _type(path: Path) -> str:
    return _TYPES.get(path.suffix, "application/octet-stream")


@contextmanager
def _said() -> Iterator[None]:
    """Errors of the place as one sentence."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise Unkept(_reason(error)) from None


def _reason(error: BaseException) -> str:
    """The first line: below it obstore tells how it is built inside, and a server's page."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
