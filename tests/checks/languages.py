"""Every text of the reports and of the control room stands in every language: `python -m tests.checks.languages`.

Texts are extracted by babel from the Python modules and the Jinja templates, as `pybabel extract` does. `--update`
writes new texts into the catalogues, without a translation unless another catalogue had one, and takes out what is no
longer said; then somebody translates.
"""

import argparse
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.pofile import read_po, write_po

from shared.languages import SOURCE
from shared.reconciliation.report import language as report
from shared.settings.reporting import LANGUAGES
from shared.telemetry.alerts import Alert
from worker.web.rooms import language as room

ROOT = Path(__file__).parents[2]
OTHERS = [language for language in LANGUAGES if language != SOURCE]


@dataclass(frozen=True)
class Shelf:
    """Catalogues of a part of the product. sources: where its texts stand. below: those where a text is looked for that
    these don't have; it stands in one of them alone."""

    sources: Sequence[str]
    folder: Path
    below: Sequence["Shelf"] = ()
    more: Callable[[], Iterator[str]] = lambda: iter(())  # texts that no call of a function marks


REPORTS = Shelf(("shared/reconciliation",), report.FOLDER)
_SAID = ("worker/web/rooms", "shared/payments/told.py", "shared/domain/next_step.py")


def _alerts() -> Iterator[str]:
    """What stands in docs/alerts.md, too."""
    for alert in Alert:
        yield from (alert.replace("_", " "), alert.meaning, alert.action)


ROOMS = Shelf(_SAID, room.FOLDER, (REPORTS,), _alerts)
SHELVES = (REPORTS, ROOMS)
# Which of a call's arguments are texts.
KEYWORDS: dict[str, Any] = {
    "_": None,
    "mark": None,
    "say": None,
    "Column": None,
    "ngettext": (1, 2),
    "many": (1, 2),
}
METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
_VALUE = re.compile(r"%\((\w+)\)s")


def extracted(shelf: Shelf = REPORTS) -> Catalog:
    """The texts that its catalogues have to have, with where they stand in the source."""
    found, elsewhere = Catalog(fuzzy=False), [extracted(one) for one in shelf.below]
    for name, text in _texts(shelf):
        if not any(text in one for one in elsewhere):
            found.add(text, locations=[(name, 0)])
    return found


def _texts(shelf: Shelf) -> Iterator[tuple[str, Any]]:
    """Each text, and the file that it stands in."""
    yield from ((str(shelf.folder.parent.relative_to(ROOT)), text) for text in shelf.more())
    for source in shelf.sources:
        if (ROOT / source).is_file():
            yield from ((source, text) for _, text, _, _ in extract_from_file("python", ROOT / source, KEYWORDS))
            continue
        for name, _, text, _, _ in extract_from_dir(ROOT / source, METHODS, {"**.html": {"silent": "false"}}, KEYWORDS):
            yield f"{source}/{name}", text


def catalogue(shelf: Shelf, language: str) -> Catalog:
    """One language's, as it stands in its file."""
    with (shelf.folder / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def wrong(source: Catalog, language: str, shelf: Shelf = REPORTS) -> Iterator[str]:
    """What is wrong with a language's catalogue, a sentence each."""
    known = catalogue(shelf, language)
    for message in source:
        if message.id:
            said = known.get(message.id)
            if said is None:
                yield f"{_name(message)} is not in it"
            else:
                yield from (f"{_name(message)} {mistake}" for mistake in mistakes(said, known.num_plurals))
    yield from (f"{_name(message)} is said nowhere" for message in known if message.id and message.id not in source)


def mistakes(message: Message, plurals: int) -> Iterator[str]:
    """What is wrong with one translation. Whoever reads the page trusts it: it holds no markup."""
    forms, ids = _all(message.string), _all(message.id)
    if len(forms) != (plurals if len(ids) > 1 else 1) or not all(forms) or message.fuzzy:
        yield "is not translated"
        return
    values = {value for one in ids for value in _VALUE.findall(one)}
    optional = values - set(_VALUE.findall(ids[0]))  # the singular may do without
    for form in forms:
        said = set(_VALUE.findall(form))
        if said - values or values - said - optional - ({"count"} if len(ids) > 1 else set()):
            yield f"has other values: {form}"
        if "%" in _VALUE.sub("", form) or re.search(r'[<>&"]', form):
            yield f"holds markup, or a percent sign: {form}"
        if not all(command in form for one in ids for command in re.findall(r"`[^`]*`", one)):
            yield f"says another command: {form}"
        if form != form.strip():
            yield f"begins or ends with a blank: {form}"


def _name(message: Message) -> str:
    return f"“{_all(message.id)[0]}”"


def _all(texts: Any) -> tuple[str, ...]:
    """A text's forms; of one without a translation an empty one."""
    return tuple(one or "" for one in (texts if isinstance(texts, list | tuple) else (texts,)))


def update(shelf: Shelf, language: str, others: Sequence[Catalog]) -> None:
    """Write the catalogue's file anew, with every text of the source. Its head stays as it is. others: where a text may
    have stood before."""
    known, path = catalogue(shelf, language), shelf.folder / f"{language}.po"
    head = path.read_text("utf-8").split("\n\n", 1)[0]
    known.update(extracted(shelf), no_fuzzy_matching=True)
    known.obsolete.clear()
    for message in known:
        for had in (other.get(message.id) for other in others if message.id):
            if had is not None and not any(_all(message.string)):
                message.string = had.string  # it moved here from there
    texts = io.BytesIO()
    write_po(texts, known, width=110, omit_header=True, no_location=True)
    path.write_text(f"{head}\n\n{texts.getvalue().decode().strip()}\n", "utf-8")


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    parser = argparse.ArgumentParser(prog="python -m tests.checks.languages", description=__doc__)
    parser.add_argument("--update", action="store_true", help="write new texts into the catalogues")
    if parser.parse_args().update:
        for language in OTHERS:
            before = [catalogue(shelf, language) for shelf in SHELVES]
            for shelf in SHELVES:
                update(shelf, language, before)
    found = [
        f"{shelf.folder.relative_to(ROOT)}/{one}.po: {said}"
        for shelf in SHELVES
        for one in OTHERS
        for said in wrong(extracted(shelf), one, shelf)
    ]
    for said in found:
        print(said)
    if found:
        print("translate it there, or have new texts put there: python -m tests.checks.languages --update")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
