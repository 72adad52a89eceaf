"""Which language a page is in, and the catalogues of the pages' texts: `languages/<code>.po`.

A text that the reports have as well stands in theirs alone (`shared/reconciliation/report/languages`), so that both say
it in the same words.
"""

import gettext
from collections.abc import Mapping
from pathlib import Path

from babel import negotiate_locale

from shared import languages
from shared.languages import SOURCE
from shared.reconciliation.report import language as reports
from shared.settings.reporting import LANGUAGES

FOLDER = Path(__file__).parent / "languages"
# As each calls itself, for who can't read the page.
NAMES: Mapping[str, str] = {
    "en": "English",
    "mn": "Монгол",
    "ka": "ქართული",
    "ru": "Русский",
    "tr": "Türkçe",
    "uz": "Oʻzbekcha",
    "fr": "Français",
}
_LONGEST = 1000  # of what a browser may say that its reader reads


def translations(language: str) -> gettext.NullTranslations:
    """Of one of LANGUAGES."""
    return languages.translations(language, FOLDER, reports.FOLDER)


def spoken(kept: str, accepted: str, default: str | None) -> str:
    """One of LANGUAGES: what the person chose and this browser kept, else what it says its reader reads (RFC 9110's
    Accept-Language), else the installation's, else English. kept, accepted: as they came, whatever that is."""
    if kept in LANGUAGES:
        return kept
    return negotiate_locale(_preferred(accepted), LANGUAGES, sep="-") or default or SOURCE


def _preferred(accepted: str) -> list[str]:
    """The languages of the header, the best first; what can't be read of it is left out."""
    found = []
    for part in accepted[:_LONGEST].lower().split(","):
        name, _, weight = part.replace(" ", "").partition(";")
        try:
            quality = float(weight.removeprefix("q=") or 1)
        except ValueError:
            continue
        if 0 < quality <= 1:
            found.append((quality, name))
    return [name for _, name in sorted(found, key=lambda one: -one[0])]
