"""Every text of pages, workbooks and mails stands in every language's catalogue: `python -m tests.checks.languages`.

Texts are extracted by babel from the Python modules and the Jinja templates, as `pybabel extract` does. `--update`
writes new texts into the catalogues, without a translation, and takes out what is no longer said; then somebody
translates.
"""

import argparse
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from shared.reconciliation.report.language import FOLDER, SOURCE
from shared.settings.reporting import LANGUAGES

ROOT = Path(__file__).parents[2]
ROOM = "shared/reconciliation"
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


def extracted() -> Catalog:
    """The texts as they stand in the source, with where they stand."""
    found = Catalog(fuzzy=False)
    for name, _, text, _, _ in extract_from_dir(ROOT / ROOM, METHODS, {"**.html": {"silent": "false"}}, KEYWORDS):
        found.add(text, locations=[(f"{ROOM}/{name}", 0)])
    return found


def catalogue(language: str) -> Catalog:
    """One language's, as it stands in its file."""
    with (FOLDER / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def wrong(source: Catalog, language: str) -> Iterator[str]:
    """What is wrong with a language's catalogue, a sentence each."""
    known = catalogue(language)
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
        if form != form.strip():
            yield f"begins or ends with a blank: {form}"


def _name(message: Message) -> str:
    return f"“{_all(message.id)[0]}”"


def _all(texts: Any) -> tuple[str, ...]:
    """A text's forms; of one without a translation an empty one."""
    return tuple(one or "" for one in (texts if isinstance(texts, list | tuple) else (texts,)))


def update(source: Catalog, language: str) -> None:
    """Write the catalogue's file anew, with every text of the source. Its head stays as it is."""
    known, path = catalogue(language), FOLDER / f"{language}.po"
    head = path.read_text("utf-8").split("\n\n", 1)[0]
    known.update(source, no_fuzzy_matching=True)
    known.obsolete.clear()
    texts = io.BytesIO()
    write_po(texts, known, width=110, omit_header=True, no_location=True)
    path.write_text(f"{head}\n\n{texts.getvalue().decode().strip()}\n", "utf-8")


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    parser = argparse.ArgumentParser(prog="python -m tests.checks.languages", description=__doc__)
    parser.add_argument("--update", action="store_true", help="write new texts into the catalogues")
    source = extracted()
    others = [language for language in LANGUAGES if language != SOURCE]
    if parser.parse_args().update:
        for language in others:
            update(source, language)
    found = [f"{FOLDER.relative_to(ROOT)}/{one}.po: {said}" for one in others for said in wrong(source, one)]
    for said in found:
        print(said)
    if found:
        print("translate it there, or have new texts put there: python -m tests.checks.languages --update")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
