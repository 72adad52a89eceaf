"""Languages: gettext catalogues of texts for people, read as people write them (`<folder>/<code>.po`).

English is what stands in the source. A catalogue is compiled in memory when it is first needed: there is no file that
could be older than the one that was corrected. The reports have a folder of them, the control room another.
"""

import gettext
import io
from functools import cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from shared.settings.reporting import LANGUAGES

SOURCE = "en"


def known(language: str | None) -> str:
    """The language, English where none is asked for. Raises ValueError for one that there is no catalogue of."""
    if language is not None and language not in LANGUAGES:
        raise ValueError(f"language {language!r} is not known: give one of {', '.join(LANGUAGES)}")
    return language or SOURCE


@cache
def translations(language: str, *folders: Path) -> gettext.NullTranslations:
    """The catalogue of one of LANGUAGES: what the first folder's lacks is looked for in the next one's. Of English, one
    that gives each text as it is."""
    found = gettext.NullTranslations() if language == SOURCE else _catalogue(folders[0] / f"{language}.po", language)
    if folders[1:] and language != SOURCE:
        found.add_fallback(translations(language, *folders[1:]))
    return found


def _catalogue(path: Path, language: str) -> gettext.NullTranslations:
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
