"""billcenter's requests as data: the target of an intent, the account it is paid to, the bytes that are sent. Pure."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.money import format_amount, minor_units
from shared.domain.payment import Operation

CURRENCY = "MNT"
RECEIPT = "receipt"  # the follow-up's name in the answer table
PATHS: Mapping[str, str] = {
    Operation.SETTLE: "/api/third_party/settle_payment/",
    Operation.REFUND: "/api/third_party/refund_payment/",
    RECEIPT: "/api/third_party/nuat_paid_invoice/",
}

_CODE = r"^[^\x00-\x1f\x7f-\x9f]*$"


class Target(BaseModel):
    """What an intent says about whom to pay."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    invoice_code: str = Field(min_length=1, max_length=64, pattern=_CODE)
    bs_customer_code: str = Field(min_length=1, max_length=64, pattern=_CODE)
    biller_service_id: int = Field(gt=0, lt=2**31)
    bank_code: str | None = Field(None, min_length=1, max_length=64, pattern=_CODE)


def minor(text: Any) -> int | None:
    """Minor units of one of billcenter's amounts ("1000.00"), or None for anything else, numbers included."""
    return minor_units(text, CURRENCY) if isinstance(text, str) else None


def paid_date(moment: datetime) -> str:
    """UTC, always with microseconds, the way billcenter writes it: `2023-11-09 03:24:12.133606+00`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00"


def settle_body(
    target: Target, *, bank_code: str, bank_account: str, amount_minor: int, paid_at: datetime, payment_id: str
) -> bytes:
    """The bytes of a settle. The document calls the id `payment_id`, its sample `payment_invoice_code`: both."""
    return _encode(
        {
            "bank_code": bank_code,
            "bank_account": bank_account,
            "invoice_code": target.invoice_code,
            "payment_id": payment_id,
            "payment_invoice_code": payment_id,
            "bs_customer_code": target.bs_customer_code,
            "paid_amount": format_amount(amount_minor, CURRENCY),
            "paid_date": paid_date(paid_at),
        }
    )


def refund_body(settle: bytes, amount_minor: int, payment_id: str) -> bytes:
    """The settle's own fields (account, invoice, date), with the refund's amount and id."""
    fields = json.loads(settle)
    amount = format_amount(amount_minor, CURRENCY)
    return _encode({**fields, "payment_id": payment_id, "payment_invoice_code": payment_id, "paid_amount": amount})


def receipt_body(settle: bytes, register: str, email: str) -> bytes:
    """The settle's own fields, with who gets the VAT receipt (register: empty for a person)."""
    return _encode({**json.loads(settle), "noat_register": register, "email": email})


def _encode(fields: Mapping[str, str]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
