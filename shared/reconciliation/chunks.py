"""What a fetch keeps in one commit, and where it goes on after it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.domain.records import BookLine
from shared.domain.reference import is_reference
from shared.providers.base import BooksUnread
from shared.reconciliation.reads import Stopped
from shared.store import foreign
from shared.store.reconciliation import TEXT_LIMIT
from shared.store.to_read import ToRead

_MAX_MINOR = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Position:
    """after: number of the last account that was looked at; None: none of them is left.

    listing: the adapter's position in its list. listed: the list was read to its end.
    """

    after: int | None = 0
    listing: Mapping[str, Any] | None = None
    listed: bool = False

    def plain(self) -> dict[str, Any]:
        """As it is kept."""
        return {"after": self.after, "listing": self.listing, "listed": self.listed}


Result = list[BookLine] | BooksUnread | Stopped


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is kept in one commit. accounts: those that were read whole. passed_over: their numbers, and why."""

    lines: list[BookLine] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    passed_over: list[tuple[int, str]] = field(default_factory=list)

    def add(self, one: ToRead, result: Result) -> None:
        """What came of reading one account."""
        if isinstance(result, BooksUnread):
            self.passed_over.append((one.number, str(result)))
        elif not isinstance(result, Stopped):
            self.lines.extend(result)
            self.accounts.append(one.account)


def fitting(lines: Sequence[BookLine]) -> list[BookLine]:
    """These lines, their accounts as they are kept. Raises BooksUnread where one of them can't be kept."""
    if any(abs(line.amount_minor) > _MAX_MINOR for line in lines):
        raise BooksUnread("an amount in the books is larger than can be kept")
    return [_storable(line) for line in lines]


def ours_of(lines: Sequence[BookLine]) -> set[str]:
    """What stands in these lines in the form of our references."""
    return {line.marker for line in lines if line.marker is not None and is_reference(line.marker)}


def _storable(line: BookLine) -> BookLine:
    account = foreign.text(line.account, TEXT_LIMIT) or ""
    return line if account == line.account else replace(line, account=account)
