"""The catalogues of pages, workbooks and mails of the nights: `languages/<code>.po`."""

import gettext
from pathlib import Path

from shared import languages

FOLDER = Path(__file__).parent / "languages"


def translations(language: str) -> gettext.NullTranslations:
    """Of one of LANGUAGES."""
    return languages.translations(language, FOLDER)
