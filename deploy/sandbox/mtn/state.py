"""What mtn remembers: the payments of each customer, and the options of its behaviour."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deploy.sandbox.ledger import Ledger, LedgerFull
from deploy.sandbox.mtn.applied import Amount, AppliedPayment, Payment, Reference, Refused, Unit

MAX_PAYMENTS = 2_000_000
MISSING_PREFIX = "missing-"  # customers with such an id do not exist
# Our reading: what idType starts with says the customerType. Anything else is listed under all three.
ID_TYPES = {1: "Service Number", 2: "Account Number", 3: "Invoice Number"}
LEVELS = {"service": 1, "account": 2, "invoice": 3, "bill": 3}


class Options(BaseModel):
    """How mtn behaves where the document is silent or leaves a choice; `POST /control/mtn/options`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clients: dict[str, str] = {"sandbox": "sandbox"}
    api_keys: list[str] = ["sandbox"]
    token_ttl_s: int = Field(3600, ge=0)
    references: Literal["keep", "drop", "mangle"] = "keep"
    list: Literal["whole", "part"] = "whole"
    reference_form: Literal["list", "own"] = "list"
    payments_a_bill: int = Field(20, ge=1)
    amount_due: Amount = "1000000.00"
    unit: Unit = "GHS"
    latency_s: float = Field(0, ge=0, le=3600, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A payment as it is shown. id: mtn's own number. references: as kept, which the options may have spoilt."""

    level: int
    id_type: str
    day: str
    amount: Decimal
    unit: str
    references: tuple[dict[str, str], ...]
    bill_number: str | None = None
    method: dict[str, Any] | None = None
    id: int = 0


class State:
    """All of it; `reset` starts again."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.reset()

    def reset(self) -> None:
        self.options = Options()
        self.customers: dict[str, list[Row]] = {}
        self.paid: dict[str, Decimal] = {}  # summed as it grows: one customer may have all the payments of a benchmark
        self.count = 0

    def rows(self, customer: str) -> list[Row]:
        """That customer's payments, oldest first. Raises Missing."""
        if customer.startswith(MISSING_PREFIX):
            raise Missing(f"Customer {customer} not found")
        return self.customers.get(customer, [])

    def unit_of(self, customer: str) -> str:
        """What the customer pays in: as its first payment did."""
        rows = self.customers.get(customer)
        return rows[0].unit if rows else self.options.unit

    def check(self, customer: str, unit: str, count: int) -> None:
        """May so many payments be added? Raises Missing, Refused where the unit is not the customer's, LedgerFull."""
        if self.rows(customer) and self.unit_of(customer) != unit:
            raise Refused(f"customer {customer} pays in {self.unit_of(customer)}")
        if self.count + count > MAX_PAYMENTS:
            raise LedgerFull

    def add(self, customer: str, row: Row) -> Row:
        """List it under the next number; `check` comes before."""
        self.count += 1
        numbered = replace(row, id=self.count)
        self.customers.setdefault(customer, []).append(numbered)
        self.paid[customer] = self.paid.get(customer, Decimal()) + row.amount
        return numbered

    def replace(self, customer: str, row: Row, by: Row | None) -> None:
        """Another row in the place of this one, or none."""
        rows = self.customers[customer]
        place = next(place for place, one in enumerate(rows) if one is row)
        rows[place : place + 1] = [] if by is None else [by]
        self.paid[customer] += (by.amount if by else Decimal()) - row.amount

    def kept(self, references: Sequence[Reference]) -> tuple[dict[str, str], ...]:
        """What is remembered of them, as the options say."""
        if self.options.references == "drop":
            return ()
        found = [one.model_dump(by_alias=True, exclude_none=True) for one in references]
        if self.options.references == "mangle":
            found = [one | {"referenceId": mangled(one["referenceId"])} for one in found]
        return tuple(found)


class Missing(Exception):  # noqa: N818 - says what happened
    """A 404 with this message."""


def mangled(reference: str) -> str:
    """In capitals and without its last character."""
    return reference[:-1].upper()


def level_of(id_type: str) -> int:
    """The customerType that it is listed under; 0: under every one."""
    return LEVELS.get(id_type.lower().partition(" ")[0], 0)


def settle(state: State, customer: str, applied: AppliedPayment, note: Callable[[Payment], None]) -> list[Row]:
    """Every payment of it, each as often as it comes: the document promises no more.

    note: writes one into the ledger, before it is listed. Raises Missing, Refused and LedgerFull.
    """
    state.check(customer, applied.total_paid_amount.unit, len(applied.payment))
    added = []
    for payment in applied.payment:
        note(payment)
        added.append(state.add(customer, _row(state, applied.id_type, payment)))
    return added


def _row(state: State, id_type: str, payment: Payment) -> Row:
    method = payment.payment_method
    return Row(
        level=level_of(id_type),
        id_type=id_type,
        day=payment.transaction_date,
        amount=Decimal(payment.paid_amount.amount),
        unit=payment.paid_amount.unit,
        references=state.kept(payment.references),
        bill_number=payment.bill_number,
        method=None if method is None else method.model_dump(by_alias=True, exclude_none=True),
    )
