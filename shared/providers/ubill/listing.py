"""ubill's lists of payments, row by row and as far as what is used can be read. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timezone
from decimal import Decimal
from typing import Any

from shared.providers.markers import Line
from shared.providers.ubill.bodies import minor
from shared.providers.ubill.wire import status_id

ODD_SUM = "a sum can't be read"
_NEEDED = ("accountID", "comment", "typeID", "sum")  # a date or an id that can't be read is none
_ADDED = "1"  # typeID: 1 added, 2 a correction of either sign, 5 a transfer


@dataclass(frozen=True, slots=True)
class Row:
    """One row. raw, date: as they came. account_id: None in the list of an account, as documented.

    odd: what can't be read of it, None where everything can; the rest is as far as it can be read.
    """

    raw: object
    odd: str | None
    account_id: str | None = None
    comment: str | None = None
    amount_minor: int | None = None
    type_id: str | None = None
    at: datetime | None = None
    number: str | None = None
    date: str | None = None

    @property
    def added(self) -> bool:
        """Is it money added, not a correction or a transfer?"""
        return self.type_id == _ADDED


@dataclass(frozen=True, slots=True)
class Rows:
    """whole: nothing in the answer says that rows are left out."""

    rows: Sequence[Row]
    whole: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """whole: nothing in the answer says that lines are left out."""

    lines: Sequence[Line]
    whole: bool


def listed(document: Any, account_id: int, zone: timezone) -> Listed | None:
    """The lines of `payments/account/{account_id}`; None where the answer is not as documented, or one of its rows is
    of a form that is not: it may be the one that is looked for.

    zone: of the dates, which name none. A sum or a date that can't be read leaves its line in.
    """
    found = account_rows(document, account_id, zone)
    if found is None or any(row.odd and row.odd != ODD_SUM for row in found.rows):
        return None
    lines = [Line(row.comment, row.amount_minor, row.added, row.at, row.number, row.date) for row in found.rows]
    return Listed(lines, found.whole)


def account_rows(document: Any, account_id: int, zone: timezone) -> Rows | None:
    """The rows of `payments/account/{account_id}`; None where the answer is not as documented, or another's."""
    found = rows(document, zone) if status_id(document) == 0 else None
    if found is None or any(row.account_id not in (None, str(account_id)) for row in found.rows):
        return None
    return found


def rows(document: Any, zone: timezone) -> Rows | None:
    """The rows in `data`; None where there are none."""
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        return None
    totals = [document.get(name) for name in ("recordsTotal", "recordsFiltered")]
    if not all(total is None or _is_whole(total) for total in totals):
        return None
    whole = all(total is None or int(total) <= len(data) for total in totals)
    return Rows([_row(raw, zone) for raw in data], whole)


def _row(raw: object, zone: timezone) -> Row:
    if not isinstance(raw, dict):
        return Row(raw, "a row is no object")
    texts = {name: _text(raw.get(name)) for name in ("accountID", "comment", "sum", "typeID", "date", "id")}
    if not isinstance(raw.get("comment"), str):  # our reference is a text, and would come as one
        texts["comment"] = None
    amount_minor = minor(texts["sum"])
    odd = [name for name in _NEEDED if texts[name] is None and raw.get(name) is not None]
    return Row(
        raw,
        f"a row's {odd[0]} can't be read" if odd else ODD_SUM if amount_minor is None else None,
        texts["accountID"],
        texts["comment"],
        amount_minor,
        texts["typeID"],
        _moment(texts["date"], zone),
        texts["id"],
        texts["date"],
    )


def _text(value: Any) -> str | None:
    """A text, or a number as one: ids and sums come either way."""
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return str(value) if number else value if isinstance(value, str) else None


def _is_whole(value: Any) -> bool:
    return (
        isinstance(value, int | str) and not isinstance(value, bool) and str(value).isascii() and str(value).isdigit()
    )


def _moment(text: str | None, zone: timezone) -> datetime | None:
    """A date of the lists, aware; None where it can't be read."""
    try:
        return datetime.strptime(text or "", "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
