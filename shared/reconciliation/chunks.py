"""What a fetch keeps in one commit, and where it goes on after it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.database import foreign
from shared.domain.records import UNREADABLE, BookLine
from shared.domain.reference import is_reference
from shared.providers.base import BooksUnread
from shared.reconciliation.reads import Stopped
from shared.reconciliation.store.runs import TEXT_LIMIT
from shared.reconciliation.store.to_read import ToRead

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


@dataclass(frozen=True, slots=True)
class Read:
    """An account's lines, or a page's. odd: those of rows that could not be read, which are counted and not kept."""

    lines: list[BookLine]
    odd: list[BookLine]


Result = Read | BooksUnread | Stopped


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is kept in one commit. accounts: those that were read whole, and how many rows of each could not be read.
    unreadable: rows of no such account that could not be read. passed_over: their numbers, and why."""

    lines: list[BookLine] = field(default_factory=list)
    accounts: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    passed_over: list[tuple[int, str]] = field(default_factory=list)

    def add(self, one: ToRead, result: Result) -> None:
        """What came of reading one account."""
        if isinstance(result, BooksUnread):
            self.passed_over.append((one.number, str(result)))
        elif not isinstance(result, Stopped):
            self.lines.extend(result.lines)
            self.accounts[one.account] = len(result.odd)

    @property
    def odd(self) -> int:
        """All rows that could not be read."""
        return self.unreadable + sum(self.accounts.values())


def fitting(lines: Sequence[BookLine]) -> Read:
    """These lines, their accounts as they are kept. A row whose amount is larger than can be kept can't be read."""
    fits = [_storable(line if abs(line.amount_minor) <= _MAX_MINOR else _too_large(line)) for line in lines]
    return Read([line for line in fits if line.kind != UNREADABLE], [line for line in fits if line.kind == UNREADABLE])


def ours_of(lines: Sequence[BookLine]) -> set[str]:
    """What stands in these lines in the form of our references."""
    return {line.marker for line in lines if line.marker is not None and is_reference(line.marker)}


def _too_large(line: BookLine) -> BookLine:
    return replace(line, kind=UNREADABLE, amount_minor=0)


def _storable(line: BookLine) -> BookLine:
    account = foreign.text(line.account, TEXT_LIMIT) or ""
    return line if account == line.account else replace(line, account=account)
