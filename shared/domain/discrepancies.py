"""What a comparison with a provider's books can find. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class Category(StrEnum):
    """Each of our payments, and each line of the provider's, falls into exactly one."""

    MATCHED = "matched"
    MISSING_AT_PROVIDER = "missing_at_provider"  # succeeded here, not there
    MISSING_LOCALLY = "missing_locally"  # there with a reference like ours, which none of our payments has
    AMOUNT_MISMATCH = "amount_mismatch"
    STATUS_MISMATCH = "status_mismatch"  # there, but no payment, under another account, or not known here to be paid
    PAID_THERE_FAILED_HERE = "paid_there_failed_here"  # refused or cancelled here, there as paid
    DUPLICATE_AT_PROVIDER = "duplicate_at_provider"  # the second and every further line with one reference
    REFUND_MISSING = "refund_missing"  # refunded here, not there
    PAID_ELSEWHERE = "paid_elsewhere"  # money under an account of ours that is not ours
    LATE = "late"  # matched, but booked there in another period than here
    STILL_UNKNOWN = "still_unknown"  # nobody knows yet, and the books don't show it


class ClosingCode(StrEnum):
    """Of what kind a discrepancy was that a person closes."""

    TIMING = "timing"  # the same money, on another day
    FEE = "fee"
    PROVIDER_ERROR = "provider_error"
    OUR_ERROR = "our_error"
    OTHER = "other"


class Signed(StrEnum):
    """As what a person signs a day: somebody else reviews what one prepared."""

    PREPARED = "prepared"
    REVIEWED = "reviewed"


SHORT = 12  # characters of a digest of a day's books that people see and type


def short(books: str) -> str:
    """A digest of books as people see it."""
    return books[:SHORT]


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of a comparison that is not simply matched. local_minor, provider_minor: what it adds to each sum."""

    identity: str
    category: Category
    currency: str
    local_minor: int
    provider_minor: int
    payment_id: int | None
    account: str | None
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Total:
    """One category's share, in one currency."""

    category: Category
    currency: str
    count: int
    local_minor: int
    provider_minor: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One run. period_from is in the period, period_to is not. complete: all of the books could be read.

    unreadable: rows of others' in the books that could not be read, of which nothing is said.
    unread: payments that were left out because what they stand under could not be read.
    totals: what adds up to our sum and to theirs; empty until it was compared.
    started_at: before anything was read; fetched_at: when all was. Times are the database's.
    """

    id: int
    provider: str
    day: date
    period_from: datetime
    period_to: datetime
    state: str
    complete: bool
    missing: str | None
    lines: int
    unreadable: int
    unread: int
    started_at: datetime
    fetched_at: datetime | None
    compared_at: datetime | None
    totals: tuple[Total, ...] = ()

    @property
    def odd_rows(self) -> str | None:
        """How many rows of the books could not be read, as a sentence; None where all could."""
        if not self.unreadable:
            return None
        return f"{self.unreadable} {'row' if self.unreadable == 1 else 'rows'} of strangers could not be read"

    @property
    def over(self) -> bool:
        """Was the day over when this was begun?"""
        return self.started_at >= self.period_to


@dataclass(frozen=True, slots=True)
class Compared:
    """One payment that a run looked at, as it was then. at: when it finished; of one that has not, when it came.

    signed_minor: its amount, a refund's below zero. local_minor, provider_minor: what it adds to each sum.
    """

    payment_id: int
    source: str
    intent_id: str
    operation: str
    state: str
    category: Category
    currency: str
    signed_minor: int
    local_minor: int
    provider_minor: int
    sent_reference: str
    account: str
    at: datetime
