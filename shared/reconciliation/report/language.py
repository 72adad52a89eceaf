"""The languages of pages, workbooks and mails: gettext catalogues, read as people write them (`languages/<code>.po`).

English is what stands in the source. A catalogue is compiled in memory when it is first needed: there is no file that
could be older than the one that was corrected.
"""

import gettext
import io
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from shared.settings.reporting import LANGUAGES

SOURCE = "en"
FOLDER = Path(__file__).parent / "languages"


def mark(text: str) -> str:
    """This text, marked as one to be translated where it is shown."""
    return text


def known(language: str | None) -> str:
    """The language, English where none is asked for. Raises ValueError for one that there is no catalogue of."""
    if language is not None and language not in LANGUAGES:
        raise ValueError(f"language {language!r} is not known: give one of {', '.join(LANGUAGES)}")
    return language or SOURCE


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The catalogue of one of LANGUAGES; of English, one that gives each text as it is."""
    if language == SOURCE:
        return gettext.NullTranslations()
    with (FOLDER / f"{language}.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
