"""LibreOffice without a window: what it takes a file's cells for, in a locale."""

import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from tests.support.programs import path_of

LIMIT_S = 300
_MOST = 50  # cells that are the same, side by side: the empty ones behind the last fill a sheet's width
_SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry"><item oor:path="/org.openoffice.Setup/L10N">
<prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>{}</value></prop></item></oor:items>
"""
_TABLE, _OFFICE, _TEXT = (
    f"{{urn:oasis:names:tc:opendocument:xmlns:{name}:1.0}}" for name in ("table", "office", "text")
)

Cell = tuple[str, str]  # what it is taken for (float, currency, date, string; none) and its value, or its text


def opened(path: Path, locale: str, separator: str = ",") -> dict[str, list[list[Cell]]]:
    """A workbook, or a CSV file in UTF-8, as a user in this locale (`tr-TR`) gets it: each sheet's rows of cells.

    Rows that are repeated stand once. separator: of a CSV file's cells.
    """
    with tempfile.TemporaryDirectory(prefix="office-") as place:
        profile = Path(place) / "profile" / "user"
        profile.mkdir(parents=True)
        (profile / "registrymodifications.xcu").write_text(_SETTINGS.format(locale))
        command = [path_of("soffice", "libreoffice"), f"-env:UserInstallation=file://{profile.parent}", "--headless"]
        # the separator, the quote, UTF-8, from line 1, all columns as they are, the user's language
        command += [f"--infilter=CSV:{ord(separator)},34,76,1"] if path.suffix == ".csv" else []
        command += ["--convert-to", "fods", "--outdir", place, str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=LIMIT_S)
        return _sheets((Path(place) / path.name).with_suffix(".fods"))


def _sheets(path: Path) -> dict[str, list[list[Cell]]]:
    root = ElementTree.parse(path).getroot()  # noqa: S314 - written by the program just now
    tables = root.iter(f"{_TABLE}table")
    return {table.get(f"{_TABLE}name", ""): [_row(row) for row in table.iter(f"{_TABLE}table-row")] for table in tables}


def _row(row: ElementTree.Element) -> list[Cell]:
    found: list[Cell] = []
    for cell in row:
        if cell.tag == f"{_TABLE}table-cell":
            found += [_cell(cell)] * min(int(cell.get(f"{_TABLE}number-columns-repeated", "1")), _MOST)
    return found


def _cell(cell: ElementTree.Element) -> Cell:
    kind = cell.get(f"{_OFFICE}value-type", "none")
    value = cell.get(f"{_OFFICE}value") or cell.get(f"{_OFFICE}date-value")
    text = "".join("".join(one.itertext()) for one in cell.iter(f"{_TEXT}p"))
    return kind, text if value is None else value
