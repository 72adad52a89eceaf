"""The body of PATCH customerBill/{id}, `AppliedPayment`, held to its document more strictly than the document is.

Fields that it does not describe are refused, and so are `cardNumber` and `cvv`: whoever sends them finds out here.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

MAX_PAYMENTS = 100


class Refused(Exception):  # noqa: N818 - says what happened
    """A 400 with this message."""


class _Model(BaseModel):
    """Fields have the document's names, written camelCase on the wire."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


def _day(written: str) -> str:
    date.fromisoformat(written)
    return written


Text = Annotated[str, Field(min_length=1, max_length=255)]
Amount = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$")]
Unit = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Day = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), AfterValidator(_day)]


class Money(_Model):
    """Amount as text, and its unit (our reading: an ISO 4217 code)."""

    amount: Amount
    unit: Unit


class Reference(_Model):
    reference_id: Text
    reference_type: Text
    reference_name: str | None = None


class _Bank(_Model):
    bank_name: str | None = None
    bank_code: str | None = None
    branch_code: Text
    payment_mode: Literal["Transfer", "EFT", "Cash", "Autodebit", "InternetBanking"]


class _Cash(_Model):
    center_name: str | None = None
    center_code: Text


class _Atm(_Model):
    bank_name: str | None = None
    branch_code: str | None = None
    atm_code: Text


class _Cheque(_Model):
    cheque_number: Text
    issue_date: str | None = None
    expiry_date: str | None = None
    account_number: str | None = None
    bank_code: str | None = None


class _BankCard(_Model):
    """Without cardNumber and cvv: they are refused like any field that the document does not have."""

    brand: str | None = None
    type: str | None = None
    expiration_date: str | None = None
    last_four_digits: str | None = None
    name_on_card: str | None = None
    bank: str | None = None


class _TokenizedCard(_Model):
    brand: str | None = None
    type: str | None = None
    last_four_digits: str | None = None
    token_type: str | None = None
    token: str | None = None
    issuer: str | None = None


class _Details(_Model):
    bank: _Bank | None = None
    cash: _Cash | None = None
    atm: _Atm | None = None
    cheque: _Cheque | None = None
    bank_card: _BankCard | None = None
    tokenized_card: _TokenizedCard | None = None


class _Method(_Model):
    name: str | None = None
    description: str | None = None
    type: Literal["Bank", "Cash", "Cheque", "ATM", "BankCard", "TokenizedCard"] | None = None
    details: _Details | None = None


class Payment(_Model):
    """PaymentRef. It requires a `referenceId` that it does not define: either place is taken."""

    id: str | None = None
    payment_ref: list[Reference] = Field([], max_length=10)
    reference_id: Text | None = None
    bill_number: Text | None = None
    transaction_date: Day
    paid_amount: Money
    payment_method: _Method | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Payment":
        if self.reference_id is None and not self.payment_ref:
            raise ValueError("a payment needs a referenceId, its own or in paymentRef")
        if Decimal(self.paid_amount.amount) == 0:
            raise ValueError("paidAmount must be above zero")
        return self

    @property
    def references(self) -> list[Reference]:
        """All of them, its own first."""
        if self.reference_id is None:
            return self.payment_ref
        own = {"referenceId": self.reference_id, "referenceType": "PaymentRef"}
        return [Reference.model_validate(own), *self.payment_ref]


class AppliedPayment(_Model):
    id_type: Text
    id: Text
    total_paid_amount: Money
    payment: list[Payment] = Field(min_length=1, max_length=MAX_PAYMENTS)

    @model_validator(mode="after")
    def _adds_up(self) -> "AppliedPayment":
        if {one.paid_amount.unit for one in self.payment} != {self.total_paid_amount.unit}:
            raise ValueError("the units of totalPaidAmount and paidAmount differ")
        if sum(Decimal(one.paid_amount.amount) for one in self.payment) != Decimal(self.total_paid_amount.amount):
            raise ValueError("totalPaidAmount must be the sum of the paidAmounts")
        return self


def read(data: dict[str, Any] | None) -> AppliedPayment:
    """Raises Refused with every violation; what was sent is never repeated in it: it may be a card's number."""
    if data is None:
        raise Refused("the body must be a JSON object")
    try:
        return AppliedPayment.model_validate(data)
    except ValidationError as error:
        said = (f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors())
        raise Refused("; ".join(said)) from error


def reference_of(data: dict[str, Any] | None) -> str:
    """The first payment's reference, also where the rest is not valid; empty where there is none."""
    payments = (data or {}).get("payment")
    first = payments[0] if isinstance(payments, list) and payments else None
    if not isinstance(first, dict):
        return ""
    references = first.get("paymentRef")
    inner = references[0] if isinstance(references, list) and references else None
    found = first.get("referenceId") or (inner.get("referenceId") if isinstance(inner, dict) else None)
    return found if isinstance(found, str) else ""
