"""The page over the nights: a line for each day, a column for each provider, read from the reports' summaries."""

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from shared.domain.money import places
from shared.reconciliation.report.figures import reader
from shared.reconciliation.report.files import whole
from shared.reconciliation.report.page import render

NIGHTS = 400  # days on the page, the newest


@dataclass(frozen=True, slots=True)
class Night:
    """One report. link: where it is, from the index. differences: by currency, in minor units, where there is one."""

    provider: str
    title: str
    link: str
    verdict: str
    complete: bool
    act: int
    watch: int
    differences: Mapping[str, int]


def write_index(root: Path, locale: str | None = None, language: str | None = None) -> None:
    """Write `root/index.html` over all `root/<date>/<provider>/summary.json`. What is no report is passed over.

    Several runs may end at once: one after the other they read and write, so that the last one has seen all.
    Raises ValueError for an unknown locale or language.
    """
    reads = reader("UTC", locale, language)
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".index.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        nights = _nights(root)
        titles = {night.provider: night.title for _, row in nights for night in row.values()}
        page = render("index.html", reads, nights=nights, titles=dict(sorted(titles.items())), most=NIGHTS)
        with whole(root / "index.html") as file:
            file.write(page.encode())


def _nights(root: Path) -> Sequence[tuple[date, Mapping[str, Night]]]:
    days = sorted((day for folder in root.iterdir() if (day := _day(folder)) is not None), reverse=True)
    nights = ((day, _row(root / day.isoformat())) for day in days[:NIGHTS])
    return [(day, row) for day, row in nights if row]


def _day(folder: Path) -> date | None:
    try:
        return date.fromisoformat(folder.name) if folder.is_dir() and len(folder.name) == len("2026-01-01") else None
    except ValueError:
        return None


def _row(folder: Path) -> dict[str, Night]:
    found = (_night(path) for path in sorted(folder.glob("*/summary.json")))
    return {night.provider: night for night in found if night is not None}


def _night(path: Path) -> Night | None:
    try:
        told: Mapping[str, Any] = json.loads(path.read_bytes())
        differences = {one["currency"]: _minor(one["difference"], one["currency"]) for one in told["sums"]}
        return Night(
            provider=str(told["provider"]),
            title=str(told["title"]),
            link=f"{path.parent.parent.name}/{path.parent.name}/report.html",
            verdict=str(told["verdict"]),
            complete=bool(told["complete"]),
            act=int(told["entries"]["act"]),
            watch=int(told["entries"]["watch"]),
            differences={currency: minor for currency, minor in differences.items() if minor},
        )
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError):
        return None


def _minor(text: str, currency: str) -> int:
    return int(Decimal(text).scaleb(places(currency)))
