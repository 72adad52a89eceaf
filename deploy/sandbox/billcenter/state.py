"""What Billcenter remembers: invoices, applied payments, bank accounts, and the options of its behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deploy.sandbox.billcenter import data
from deploy.sandbox.ledger import Ledger, timestamp

MAX_INVOICES = 4_000_000
MISSING_PREFIX = "missing-"  # invoices with such a code do not exist


class Refused(Exception):  # noqa: N818 - says what happened
    """A 400 with this detail."""


class Options(BaseModel):
    """How Billcenter behaves where the document is silent or leaves a choice; `POST /control/billcenter/options`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: dict[str, str] = {"sandbox": "sandbox"}
    token_ttl_s: int = Field(168 * 3600, ge=0)
    refresh_ttl_s: int = Field(30 * 86_400, ge=0)
    duplicate_answer: Literal[200, 400] = 200
    success_body: Literal["json", "empty"] = "json"
    refund_lowers: bool = True
    refund_idempotent: bool = False
    invoice_amount: str = Field("99999999.00", pattern=r"^[0-9]{1,15}\.[0-9]{2}$")
    latency_s: float = Field(0, ge=0, le=3600, allow_inf_nan=False)


@dataclass(slots=True)
class Invoice:
    """An invoice. Money in minor units. service 0: not known until the first settle. accounts: that settled it.

    told_status: what a control made of its status.
    """

    id: int
    code: str
    customer: str
    service: int
    amount: int
    paid: int
    created_at: float
    updated_at: float
    accounts: tuple[str, ...] = ()
    told_status: str | None = None

    @property
    def status(self) -> str:
        if self.told_status is not None:
            return self.told_status
        if self.paid >= self.amount:
            return "PAID"
        return "PARTIALLY_PAID" if self.paid else "PENDING"


class State:
    """All of it; `reset` starts again."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.services: Mapping[int, dict[str, Any]] = data.services()
        self.reset()

    def reset(self) -> None:
        self.options = Options()
        self.invoices: dict[str, Invoice] = {}
        self.settled: dict[str, str] = {}  # payment_id to the digest of its request
        self.refunded: dict[str, str] = {}
        self.receipts = 0
        self.fail_page: int | None = None
        self.vanish_after_page: int | None = None
        self.set_accounts(data.accounts())

    def set_accounts(self, rows: list[dict[str, Any]]) -> None:
        """Replace the bank accounts."""
        self.accounts = rows
        self.account_rows: dict[str, dict[str, Any]] = {row["account"]: row for row in rows}

    def invoice(self, code: str, customer: str = "", service: int = 0) -> Invoice:
        """The invoice with that code, made on first sight. Raises Refused."""
        invoice = self.invoices.get(code)
        if invoice is None:
            if code.startswith(MISSING_PREFIX):
                raise Refused(f"invoice {code} does not exist")
            if len(self.invoices) >= MAX_INVOICES:
                raise Refused("the sandbox holds no more invoices; reset it")
            now = datetime.now(UTC).timestamp()
            amount = minor(self.options.invoice_amount)
            invoice = Invoice(len(self.invoices) + 1, code, customer, service, amount, 0, now, now)
            self.invoices[code] = invoice
        return invoice

    def move(self, invoice: Invoice, amount: int) -> None:
        """Change what is paid on it; `updated_at` moves with it."""
        invoice.paid += amount
        invoice.updated_at = datetime.now(UTC).timestamp()

    def invoice_row(self, invoice: Invoice) -> dict[str, Any]:
        """An invoice as all endpoints show it."""
        service = invoice.service or data.ORDINARY_SERVICE
        return {
            "id": invoice.id,
            "bs_customer_code": invoice.customer,
            "biller_category_id": self.services[service]["biller_category"],
            "invoice_code": invoice.code,
            "billing_period_month": 1,
            "billing_period_year": 2026,
            "amount": text(invoice.amount),
            "amount_current": text(invoice.amount),
            "amount_paid": text(invoice.paid),
            "issue_date": None,
            "due_date": None,
            "created_at": timestamp(invoice.created_at),
            "updated_at": timestamp(invoice.updated_at),
            "status": invoice.status,
            "biller_service": service,
        }


def minor(amount: str) -> int:
    """Minor units of `digits.two decimals`."""
    return int(amount[:-3] + amount[-2:])


def text(amount_minor: int) -> str:
    """`digits.two decimals` of minor units."""
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"
