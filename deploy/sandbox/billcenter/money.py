"""The three operations that move money or issue receipts: settle, refund, nuat_paid_invoice."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.sandbox.billcenter import data as directory
from deploy.sandbox.billcenter.state import Invoice, Refused, State, minor, text
from deploy.sandbox.ledger import timestamp
from deploy.sandbox.wire import Reply, Seen, as_json, detail

_AMOUNT = re.compile(r"[0-9]{1,13}\.[0-9]{2}", re.ASCII)
_PAID_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?\+00", re.ASCII)
_NEEDED = ("bank_code", "bank_account", "invoice_code", "bs_customer_code", "paid_amount", "paid_date")
_MAX_FIELD_CHARACTERS = 255
_CURRENCY = "MNT"


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields that all three requests have, read and valid. amount in minor units."""

    payment_id: str
    account: str
    invoice_code: str
    customer: str
    amount: int


def duplicate(payment_id: str) -> Reply:
    """The answer to a payment_id that was applied before."""
    return detail(400, f"payment_id {payment_id} already exists")


def payment_id_of(data: Mapping[str, Any]) -> str:
    """The description says payment_id, the sample body payment_invoice_code: either is taken."""
    value = data.get("payment_id") or data.get("payment_invoice_code")
    return value if isinstance(value, str) else ""


def settle(state: State, seen: Seen) -> Reply:
    """Idempotent by payment_id. The same id with other bytes is always refused as a duplicate."""
    payment_id = payment_id_of(seen.data or {})
    known = state.settled.get(payment_id)
    if known is not None:
        if known != seen.sha256 or state.options.duplicate_answer == 400:
            return duplicate(payment_id)
        return _settled(state, state.invoices[(seen.data or {})["invoice_code"]])
    fields = _read(seen.data)
    service = _receiving_service(state, fields)
    invoice = state.invoice(fields.invoice_code, fields.customer, service)
    if invoice.service not in (0, service):
        raise Refused("bank_account is not an account of the invoice's biller service")
    _write(state, "settle", fields, seen)
    state.settled[payment_id] = seen.sha256
    invoice.service = service
    invoice.customer = invoice.customer or fields.customer
    if fields.account not in invoice.accounts:
        invoice.accounts += (fields.account,)
    state.move(invoice, fields.amount)
    return _settled(state, invoice)


def refund(state: State, seen: Seen) -> Reply:
    """Not idempotent unless the option says so: the document promises nothing."""
    fields = _read(seen.data)
    done = detail(200, "Гүйлгээ амжилттай буцаагдлаа")
    if state.options.refund_idempotent and state.refunded.get(fields.payment_id) == seen.sha256:
        return done
    invoice = state.invoices.get(fields.invoice_code)
    if invoice is None or not invoice.accounts:
        raise Refused("no payment was settled on this invoice")
    if fields.account not in invoice.accounts or fields.customer != invoice.customer:
        raise Refused("bank_account and bs_customer_code must be those of the settled payment")
    if fields.amount > invoice.paid:
        raise Refused("paid_amount is more than what is paid on this invoice")
    _write(state, "refund", fields, seen)
    state.refunded[fields.payment_id] = seen.sha256
    if state.options.refund_lowers:
        state.move(invoice, -fields.amount)
    return done


def receipt(state: State, seen: Seen) -> Reply:
    """A VAT receipt for a paid invoice. Not idempotent: a second request issues a second one."""
    fields = _read(seen.data)
    data = seen.data or {}
    if not isinstance(data.get("noat_register"), str) or not isinstance(data.get("email", ""), str):
        raise Refused("noat_register and email must be text; noat_register is empty for a person")
    invoice = state.invoices.get(fields.invoice_code)
    if invoice is None or not invoice.paid:
        raise Refused("this invoice is not paid")
    if not state.services[invoice.service or directory.ORDINARY_SERVICE]["with_noat"]:
        raise Refused("this biller service issues no VAT receipts")
    total = text(fields.amount)
    _write(state, "receipt", fields, seen)
    state.receipts += 1
    vat = fields.amount // 11
    at = timestamp(seen.at)
    answer = directory.receipt(
        state.receipts, seen, invoice.service, amount=text(fields.amount - vat), vat=text(vat), total=total, at=at
    )
    return as_json(answer)


def _write(state: State, operation: str, fields: Fields, seen: Seen) -> None:
    """Into the ledger, before anything else changes: a full one refuses."""
    state.ledger.apply(
        ("billcenter", operation, fields.payment_id),
        seen,
        invoice_code=fields.invoice_code,
        amount=text(fields.amount),
        currency=_CURRENCY,
    )


def _settled(state: State, invoice: Invoice) -> Reply:
    if state.options.success_body == "empty":
        return Reply(200)
    row = state.invoice_row(invoice)
    row["deeplink"] = (
        f"billcenter://invoice_code={invoice.code}&biller_category={row['biller_category_id']}"
        f"&bs_customer_code={invoice.customer}&"
    )
    return as_json(row)


def _receiving_service(state: State, fields: Fields) -> int:
    """The service that the account belongs to; of the network, the account of the customer's branch."""
    row = state.account_rows.get(fields.account)
    if row is None:
        raise Refused("bank_account is not a known account")
    branch = row["khut_type"]
    if branch is not None and not fields.customer.startswith(str(branch)):
        raise Refused("bank_account is not the account of the customer's branch (khut_type)")
    return int(row["biller_service"])


def _read(data: dict[str, Any] | None) -> Fields:
    if data is None:
        raise Refused("the body must be a JSON object")
    for name in _NEEDED:
        value = data.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_FIELD_CHARACTERS:
            raise Refused(f"{name} must be text of 1 to {_MAX_FIELD_CHARACTERS} characters")
    payment_id = payment_id_of(data)
    if not 0 < len(payment_id) <= _MAX_FIELD_CHARACTERS:
        raise Refused(f"payment_id must be text of 1 to {_MAX_FIELD_CHARACTERS} characters")
    if data.get("payment_invoice_code", payment_id) != payment_id:
        raise Refused("payment_id and payment_invoice_code differ")
    amount = data["paid_amount"]
    if _AMOUNT.fullmatch(amount) is None or minor(amount) == 0:
        raise Refused("paid_amount must be above zero and have two decimals, like 100.00")
    if not _is_utc(data["paid_date"]):
        raise Refused("paid_date must be UTC, like 2026-11-09 03:24:12.133606+00")
    return Fields(payment_id, data["bank_account"], data["invoice_code"], data["bs_customer_code"], minor(amount))


def _is_utc(written: str) -> bool:
    if _PAID_DATE.fullmatch(written) is None:
        return False
    try:
        datetime.fromisoformat(written[:19])
    except ValueError:
        return False
    return True
