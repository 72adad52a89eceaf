"""mtn's requests as data: the target of an intent, the path and the bytes that are sent. Pure."""
# ruff: noqa: N815 - the fields of a payment method are the document's, and so are their names

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.domain.money import format_amount
from shared.domain.payment import Payment

PATH = "/customerBill/"
# Our reading: the document leaves the type of a reference open ("can be 'PaymentRef' or 'Slip Number' or …") and
# says nothing of the name.
REFERENCE_TYPE = "PaymentRef"
REFERENCE_NAME = "settlepipe"

# No control or format characters, no blanks around it: what looks like one account must be one account.
_TEXT = r"^[^\s\p{C}]([^\p{C}]*[^\s\p{C}])?$"
Text = Annotated[str, Field(max_length=128, pattern=_TEXT)]
Last4 = Annotated[str, Field(pattern="^[0-9]{4}$")]  # of a card's number, and no more of it


def _no_dots_alone(text: str) -> str:
    if text in (".", ".."):  # in a path these lead elsewhere
        raise ValueError("dots alone are no id")
    return text


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Bank(_Strict):
    bankName: Text | None = None
    bankCode: Text | None = None
    branchCode: Text
    paymentMode: Literal["Transfer", "EFT", "Cash", "Autodebit", "InternetBanking"]


class Cash(_Strict):
    centerName: Text | None = None
    centerCode: Text


class Atm(_Strict):
    bankName: Text | None = None
    branchCode: Text | None = None
    atmCode: Text


class Cheque(_Strict):
    chequeNumber: Text
    issueDate: Text | None = None
    expiryDate: Text | None = None
    accountNumber: Text | None = None
    bankCode: Text | None = None


class BankCard(_Strict):
    """Without the document's `cardNumber` and `cvv`: we neither keep nor send them."""

    brand: Text | None = None
    type: Text | None = None
    expirationDate: Text | None = None  # "date-time" by its format, `10/2020` by its example: any text
    lastFourDigits: Last4 | None = None
    nameOnCard: Text | None = None
    bank: Text | None = None


class TokenizedCard(_Strict):
    brand: Text | None = None
    type: Text | None = None
    lastFourDigits: Last4 | None = None
    tokenType: Text | None = None
    token: Annotated[str, Field(max_length=1024, pattern=_TEXT)] | None = None
    issuer: Text | None = None


class Details(_Strict):
    bank: Bank | None = None
    cash: Cash | None = None
    atm: Atm | None = None
    cheque: Cheque | None = None
    bankCard: BankCard | None = None
    tokenizedCard: TokenizedCard | None = None


class PaymentMethod(_Strict):
    """`PaymentMethodRef`; what the document requires is required, no more."""

    name: Text | None = None
    description: Text | None = None
    type: Literal["Bank", "Cash", "Cheque", "ATM", "BankCard", "TokenizedCard"] | None = None
    details: Details | None = None


class Target(_Strict):
    """What an intent says about whom to pay. customer_type: 1 service, 2 account, 3 invoice."""

    id_type: Text
    id: Annotated[str, Field(max_length=64, pattern=_TEXT), AfterValidator(_no_dots_alone)]
    customer_type: int = Field(ge=1, le=3)
    bill_number: Text | None = None
    payment_method: PaymentMethod | None = None

    @property
    def path(self) -> str:
        return PATH + quote(self.id, safe="")

    @property
    def books_level(self) -> str:
        """What the keys of all payments at this level (customer type) begin with: each may have a system of its own."""
        return f"mtn:{self.customer_type}:"

    @property
    def books_key(self) -> str:
        """Payments with the same key stand in the same list of `GET /customerBill/{id}`."""
        return self.books_level + self.id


def target_of(payment: Payment) -> Target:
    return Target.model_validate(dict(payment.target))


def settle_body(payment: Payment, target: Target) -> bytes:
    """The bytes of a settle: `AppliedPayment` with one payment.

    The document requires a payment's `referenceId` and defines it in `paymentRef[]`: it stands in both, the same.
    transactionDate: the day of paid_at in UTC.
    """
    amount = {"amount": format_amount(payment.amount_minor, payment.currency), "unit": payment.currency}
    reference = payment.sent_reference
    one: dict[str, Any] = {
        "referenceId": reference,
        "paymentRef": [{"referenceId": reference, "referenceType": REFERENCE_TYPE, "referenceName": REFERENCE_NAME}],
        "billNumber": target.bill_number,
        "transactionDate": payment.paid_at.astimezone(UTC).date().isoformat(),
        "paidAmount": amount,
        "paymentMethod": target.payment_method and target.payment_method.model_dump(exclude_none=True),
    }
    return _encode(
        {"idType": target.id_type, "id": target.id, "totalPaidAmount": amount, "payment": [_without_none(one)]}
    )


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _encode(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
