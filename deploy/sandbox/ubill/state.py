"""What ubill remembers: accounts with their payments, text messages, brands, and the options of its behaviour."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from deploy.sandbox.ledger import Ledger, LedgerFull

MAX_PAYMENTS = 2_000_000  # some 400 bytes of memory each
MAX_NUMBERS = 2_000_000  # recipients of text messages
MAX_ACCOUNTS = 2_000_000
FIRST_MISSING = 900_000_000  # accounts from this id on do not exist

_ZONE = timezone(timedelta(hours=4))  # the document names none: our reading, Georgia's
_OPENING = -30 / 7  # of an account: no binary fraction, so that balances carry float noise as in the document

Comments = Literal["keep", "drop", "cut", "upper", "mangle"]


class Refused(Exception):  # noqa: N818 - says what happened
    """HTTP 200 with another `statusID` than 0. The document gives numbers to the SMS calls only."""

    def __init__(self, status_id: int, message: str) -> None:
        super().__init__(message)
        self.status_id = status_id


class Options(BaseModel):
    """How ubill behaves where the document is silent or leaves a choice; `POST /control/ubill/options`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[str, ...] = ("sandbox",)
    comments: Comments = "keep"  # what is kept of the comments of payments from now on
    comments_listed: Comments = "keep"  # what the lists show of what was kept
    list: Literal["whole", "part"] = "whole"
    newest_missing: int = Field(1, ge=0)  # rows, with list=part
    oldest_missing: int = Field(0, ge=0)
    added_type: Literal[1, 5] = 1  # typeID of what payments/add added
    sms_balance: int = Field(5000, ge=0)
    stop_list: tuple[str, ...] = ()
    callback_url: str | None = Field(None, pattern="^https?://[^?#]+$")
    callback_key: str = "sandbox-callback-key"
    latency_s: float = Field(0, ge=0, le=3600, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Payment:
    """A row of the lists. number: 1 for the first of all. amount in minor units. balance: after it. date: UTC+4."""

    number: int
    account_id: int
    amount: int
    balance: float
    comment: str | None
    transaction_id: str | None
    pay_system: str | None
    type_id: int
    date: str

    @property
    def listed_id(self) -> int:
        """Its id in the list of its account and in the answer of payments/add; in `payments` it is `number`."""
        return 88 + 7 * self.number


@dataclass(slots=True)
class Account:
    """An account that something happened to."""

    id: int
    balance: float = _OPENING
    credit_date: str | None = None
    payments: list[Payment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Message:
    """A text message to some numbers. statuses: of each number, in the same order."""

    numbers: Sequence[str]
    statuses: bytearray


@dataclass(frozen=True, slots=True)
class Brand:
    """authorized: 1 yes; 2 waits for it (our reading)."""

    id: int
    name: str
    authorized: int
    created_at: str


class State:
    """All of it; `reset` starts again."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.reset()

    def reset(self) -> None:
        self.options = Options()
        self.revoked: set[str] = set()
        self.accounts: dict[int, Account] = {}
        self.payments: list[Payment] = []
        self.count = 0
        self.messages: list[Message] = []  # smsID is the place, from 1 on
        self.numbers = 0
        self.sms_left = self.options.sms_balance
        self.brands = {1: Brand(1, "sandbox", 1, "2026-01-01 10:00:00")}
        self.last_brand = 1

    def account(self, account_id: int) -> Account:
        """The account as it is now; not remembered, unless something happened to it. Raises Refused."""
        if not 1 <= account_id < FIRST_MISSING:
            raise Refused(10, "Account not found")
        return self.accounts.get(account_id) or Account(account_id)

    def touch(self, account_id: int) -> Account:
        """The account, remembered. Raises Refused, LedgerFull."""
        account = self.account(account_id)
        if len(self.accounts) >= MAX_ACCOUNTS and account_id not in self.accounts:
            raise LedgerFull
        self.accounts[account_id] = account
        return account

    def need_room(self) -> None:
        """Raises LedgerFull where no further payment could be remembered."""
        if len(self.payments) >= MAX_PAYMENTS:
            raise LedgerFull

    def add(
        self,
        account: Account,
        amount: int,
        comment: str | None,
        type_id: int,
        at: float,
        *,
        transaction_id: str | None = None,
        pay_system: str | None = None,
    ) -> Payment:
        """A payment on a remembered account. amount in minor units, at in Unix seconds."""
        account.balance += amount / 100
        self.count += 1
        payment = Payment(
            self.count, account.id, amount, account.balance, comment, transaction_id, pay_system, type_id, local(at)
        )
        account.payments.append(payment)
        self.payments.append(payment)
        return payment

    def replace(self, payment: Payment, by: Payment | None) -> None:
        """Another row in the place of this one in both lists, or none. Balances stay as they are."""
        for rows in (self.accounts[payment.account_id].payments, self.payments):
            place = next(place for place, row in enumerate(rows) if row is payment)
            rows[place : place + 1] = [] if by is None else [by]


def local(unix_s: float) -> str:
    """`Y-m-d H:i:s` at UTC+4, without saying so."""
    return datetime.fromtimestamp(unix_s, UTC).astimezone(_ZONE).strftime("%Y-%m-%d %H:%M:%S")


def in_future(written: str) -> bool:
    """Is this `Y-m-d H:i` at UTC+4 still to come? Raises ValueError for another format."""
    at = datetime.strptime(written, "%Y-%m-%d %H:%M").replace(tzinfo=_ZONE)
    if at.strftime("%Y-%m-%d %H:%M") != written:
        raise ValueError("single digits")
    return at > datetime.now(UTC)


def mangled(comment: str, how: Comments) -> str:
    """What is left of a comment; `mangle` is cut and upper-cased."""
    if how == "drop":
        return ""
    if how in ("cut", "mangle"):
        comment = comment[:10]
    return comment.upper() if how in ("upper", "mangle") else comment
