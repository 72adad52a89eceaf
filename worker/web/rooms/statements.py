"""Reports: the statement of a period, made when it is asked for, and the nights with their files."""

import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from shared.reconciliation import views
from shared.reconciliation.statement.period import Span, span
from shared.reconciliation.statement.write import FILES, Nothing, write
from worker.web.rooms import files
from worker.web.rooms.answers import Answer, Asked, Go, Html, Refused
from worker.web.rooms.language import NAMES

_NIGHTS = 30
_ALL = "all"
# What may be asked for, and the file that it is. `page` is shown, all others are saved.
_FORMS: Mapping[str, str] = {
    "page": "statement.html",
    "html": "statement.html",
    "xlsx": "statement.xlsx",
    "days": "days.csv",
    "discrepancies": "discrepancies.csv",
    "json": "summary.json",
}
_ZIP = "zip"


def page(asked: Asked) -> Answer:
    """The form of a statement, and the newest nights."""
    return _shown(asked, None, 200)


def _shown(asked: Asked, wrong: str | None, status: int) -> Answer:
    chosen, until = asked.query.get("provider", ""), _day(asked.query.get("until", ""))
    chosen = chosen if chosen in _providers(asked) else ""
    before = None if until is None else ((until + timedelta(days=1)).isoformat(), "")
    with asked.read() as connection:
        nights = views.days(connection, before, _NIGHTS, chosen or None)
        months = views.months(connection)
    given: dict[str, Any] = {"nights": nights, "periods": _periods(months), "providers": _providers(asked)}
    given |= {"provider": chosen, "until": until.isoformat() if until else "", "names": NAMES}
    given |= {"language": files.spoken(asked), "period": asked.query.get("period", ""), "wrong": wrong}
    return Html("statements.html", {**given, "form": asked.query.get("form", "page"), "here": "statements"}, status)


def made(asked: Asked) -> Answer:
    """A statement, as `settlepipe statement` writes it."""
    if not asked.query.get("period"):
        return Go("/statements")
    files.must_see(asked)
    form, provider = asked.query.get("form", "page"), asked.query.get("provider", "")
    if (form not in _FORMS and form != _ZIP) or provider not in (_ALL, *_providers(asked)):
        raise Refused(asked.say("There is no such statement."), 404)
    try:
        found = _span(asked.query["period"])
    except ValueError as error:
        return _shown(asked, str(error), 422)
    names = _providers(asked) if provider == _ALL else [provider]
    if provider == _ALL or form == _ZIP:
        return _zipped(asked, names, found, provider)
    with files.folder(asked) as folder:
        try:
            _write(asked, provider, found, folder, (_FORMS[form],))
        except Nothing as error:
            return _shown(asked, str(error), 404)
        name = f"{provider}-{found.name}-{_FORMS[form]}"
        return files.sent(asked, folder / _FORMS[form], name, shown=form == "page")


def _zipped(asked: Asked, names: Sequence[str], found: Span, provider: str) -> Answer:
    """All files of some providers, a folder for each. Of whom nothing was compared there is none."""
    said = ""
    with files.folder(asked) as folder:
        path = folder / "statement.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in names:
                try:
                    _write(asked, name, found, folder / name, FILES)
                except Nothing as error:
                    said = str(error)
                    continue
                for file in FILES:
                    packed.write(folder / name / file, f"{name}/{file}")
                    (folder / name / file).unlink()
            empty = not packed.namelist()
        if empty:
            return _shown(asked, said or f"no provider has a statement of {found.name}", 404)
        return files.sent(asked, path, f"{provider}-{found.name}.zip")


def _write(asked: Asked, provider: str, found: Span, folder: Path, only: Sequence[str]) -> None:
    runtime = asked.room.books
    settings = runtime.settings.report
    given = {"language": files.language(asked) or settings.language, "csv_locale": settings.csv_locale}
    write(runtime.database, runtime.registrations[provider], found, folder, **given, only=only)


def _providers(asked: Asked) -> list[str]:
    return [name for name, one in asked.room.runtime.registrations.items() if one.has_statement]


def _span(text: str) -> Span:
    kind = "quarter" if "Q" in text else "month" if "-" in text else "year"
    return span(kind, text[:20])


def _periods(months: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Those of which something was compared: months, quarters and years, the newest first."""
    quarters = [f"{month[:4]}-Q{(int(month[5:]) + 2) // 3}" for month in months]
    return {
        "month": months,
        "quarter": list(dict.fromkeys(quarters)),
        "year": list(dict.fromkeys(month[:4] for month in months)),
    }


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"[1-9]\d{3}-\d\d-\d\d", text) else None
    except ValueError:
        return None
