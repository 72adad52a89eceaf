"""`POST /control/billcenter/…`: what the world outside of our payments does, and how Billcenter behaves."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deploy.sandbox.billcenter import data
from deploy.sandbox.billcenter.state import Options, Refused, State, minor

MAX_ACCOUNTS = 10_000


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Pay(_Model):
    invoice_code: str = Field(min_length=1, max_length=255)
    amount: str = Field(pattern=r"^[0-9]{1,13}\.[0-9]{2}$")


class _Books(_Model):
    """amount_paid as it is from now on. status: whatever the amounts say; null: what they say."""

    invoice_code: str = Field(min_length=1, max_length=255)
    amount_paid: str | None = Field(None, pattern=r"^[0-9]{1,13}\.[0-9]{2}$")
    status: Literal["PAID", "PENDING", "PARTIALLY_PAID", "RESOLVED"] | None = None


class _NewAccount(_Model):
    biller_service: int
    account: str = Field(min_length=1, max_length=64)
    khut_type: int | None = None


class _Change(_Model):
    account: str
    to: str = Field(min_length=1, max_length=64)


class _Accounts(_Model):
    """fail_page: that page answers 500 until it is set to null. vanish_after_page: once that page was read, the
    first account is gone, so the count falls on the way and a row slips from page to page."""

    add: list[_NewAccount] = []
    change: list[_Change] = []
    close: list[str] = []
    fail_page: int | None = None
    vanish_after_page: int | None = None


def pay(state: State, body: Any) -> Any:
    """Another bank pays: amount_paid rises, the ledger does not know of it."""
    wanted = _Pay.model_validate(body)
    try:
        invoice = state.invoice(wanted.invoice_code)
    except Refused as refusal:
        raise ValueError(str(refusal)) from refusal
    state.move(invoice, minor(wanted.amount))
    return state.invoice_row(invoice)


def books(state: State, body: Any) -> Any:
    """The books are changed: no money moved, the ledger does not know of it."""
    wanted = _Books.model_validate(body)
    invoice = state.invoices.get(wanted.invoice_code)
    if invoice is None:
        raise ValueError(f"invoice {wanted.invoice_code} is not known")
    if wanted.amount_paid is not None:
        state.move(invoice, minor(wanted.amount_paid) - invoice.paid)
    if "status" in wanted.model_fields_set:
        invoice.told_status = wanted.status
    return state.invoice_row(invoice)


def accounts(state: State, body: Any) -> Any:
    """Add, renumber and close bank accounts, and let reading them go wrong. All or nothing."""
    wanted = _Accounts.model_validate(body)
    rows = {row["account"]: row for row in state.accounts}
    for change in wanted.change:
        if change.account not in rows or change.to in rows:
            raise ValueError(f"account {change.account} can't become {change.to}: unknown, or taken")
        rows = {
            change.to if number == change.account else number: row | {"account": change.to}
            if number == change.account
            else row
            for number, row in rows.items()
        }
    for number in wanted.close:
        if rows.pop(number, None) is None:
            raise ValueError(f"account {number} is not known")
    next_id = max((row["id"] for row in state.accounts), default=10) + 1
    for offset, new in enumerate(wanted.add):
        if new.account in rows or new.biller_service not in state.services:
            raise ValueError(f"account {new.account} can't be added: taken, or its service is not known")
        rows[new.account] = data.account(next_id + offset, new.biller_service, new.account, new.khut_type)
    if len(rows) > MAX_ACCOUNTS:
        raise ValueError(f"more than {MAX_ACCOUNTS} accounts")
    state.set_accounts(list(rows.values()))
    for name in ("fail_page", "vanish_after_page"):
        if name in wanted.model_fields_set:
            setattr(state, name, getattr(wanted, name))
    return {"count": len(rows), "fail_page": state.fail_page, "vanish_after_page": state.vanish_after_page}


def options(state: State, body: Any) -> Any:
    """Change the named options, keep the others. Returns all of them."""
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object of options")
    state.options = Options.model_validate(state.options.model_dump() | body)
    return state.options.model_dump(exclude={"users"})


CONTROLS: Mapping[str, Callable[[State, Any], Any]] = {
    "pay": pay,
    "books": books,
    "accounts": accounts,
    "options": options,
}
