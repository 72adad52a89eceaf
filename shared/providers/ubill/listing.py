"""An account's payments as a check sees them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timezone
from typing import Any

from pydantic import ValidationError

from shared.providers.markers import Line
from shared.providers.ubill.bodies import minor
from shared.providers.ubill.records import Paid, Rows
from shared.providers.ubill.wire import status_id

_ADDED = "1"  # typeID: 1 added, 2 a correction of either sign, 5 a transfer


@dataclass(frozen=True, slots=True)
class Listed:
    """whole: nothing in the answer says that lines are left out."""

    lines: Sequence[Line]
    whole: bool


def listed(document: Any, account_id: int, zone: timezone) -> Listed | None:
    """The lines of `payments/account/{account_id}`; None where the answer is not as documented.

    zone: of the dates, which name none. A sum or a date that can't be read leaves its line in.
    """
    rows = rows_of(document, account_id)
    return None if rows is None else Listed([_line(row, zone) for row in rows.data], rows.whole)


def rows_of(document: Any, account_id: int) -> Rows[Paid] | None:
    """The rows of `payments/account/{account_id}`; None where the answer is not as documented."""
    if status_id(document) != 0:
        return None
    try:
        rows = Rows[Paid].model_validate(document)
    except ValidationError:
        return None
    strange = any(row.accountID not in (None, str(account_id)) for row in rows.data)  # null in the document
    return None if strange else rows


def added(row: Paid) -> bool:
    """Is it money added, not a correction or a transfer?"""
    return row.typeID == _ADDED


def moment(text: str | None, zone: timezone) -> datetime | None:
    """A date of the lists, aware; None where it can't be read."""
    try:
        return datetime.strptime(text or "", "%Y-%m-%d %H:%M:%S").replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _line(row: Paid, zone: timezone) -> Line:
    return Line(row.comment, minor(row.sum), added(row), moment(row.date, zone), row.id, row.date)
