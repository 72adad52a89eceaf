"""invoicepayment's one documented call, a bill inquiry; see README.md beside this package for what can be switched.

The document describes neither credentials nor failures: everybody is let in, and what a failure looks like is ours.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from deploy.sandbox.ledger import Ledger
from deploy.sandbox.wire import Reply, Seen, as_json

_PATH = "/v1/InvoicePayment/GetInvoicesByProductAndSubscriber"
_MISSING_PREFIX = "missing-"  # such a subscriber has no bills
_MAX_ROWS = 1000
_NUMBERS = ("subscriber_no1", "subscriber_no2", "subscriber_no3")
# Two bills with the document's traps: three forms of date in one row, "0"/"1", masked names that end in spaces.
_ROWS: tuple[dict[str, Any], ...] = (
    {
        "bill_term": "10/2026",
        "expense_amount": "0.00",
        "expense_firm_amount": "1.00",
        "partial_payment_allowed": "0",
        "invoice_date": "20261105",
        "bill_due_date": "25-11-2026",
        "invoice_type": None,
        "inv_payment_transaction_query_oid": "00000000-0000-4000-8000-000000000001",
        "subscriber_name": "DE****KU****   ",
        "bill_no": "90260000000001",
        "invoice_amount": "120.40",
        "payment_order_no": "1",
        "expense_dealer_amount": "0.00",
    },
    {
        "bill_term": "11/2026",
        "expense_amount": "0.50",
        "expense_firm_amount": "1.00",
        "partial_payment_allowed": "1",
        "invoice_date": "20261112",
        "bill_due_date": "02-12-2026",
        "invoice_type": None,
        "inv_payment_transaction_query_oid": "00000000-0000-4000-8000-000000000002",
        "subscriber_name": "DE****KU****   ",
        "bill_no": "90260000000002",
        "invoice_amount": "98.75",
        "payment_order_no": "2",
        "expense_dealer_amount": "0.25",
    },
)


class _Failure(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int = 1
    code: str = "900"
    message: str | None = "not found"


class Options(BaseModel):
    """`POST /control/invoicepayment/options`.

    rows: what is due; each is laid over the made-up bill of its place (the last of them, beyond), so a test gives only
    what it is about. null: the made-up ones. failure: answered to every valid inquiry, with HTTP 200; null: none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: list[dict[str, Any]] | None = Field(None, max_length=_MAX_ROWS)
    failure: _Failure | None = None
    latency_s: float = Field(0, ge=0, le=3600, allow_inf_nan=False)


class Invoicepayment:
    """The provider `invoicepayment`; see deploy.sandbox.wire.Provider for its methods."""

    name = "invoicepayment"
    operations = frozenset({"invoices"})
    secret_operations = frozenset[str]()

    def __init__(self, ledger: Ledger) -> None:
        self._options = Options()

    @property
    def latency_s(self) -> float:
        return self._options.latency_s

    def find(self, seen: Seen) -> str | None:
        return "invoices" if (seen.method, seen.path) == ("POST", _PATH) else None

    def reference(self, operation: str, seen: Seen) -> str:
        return ""

    def admit(self, operation: str, seen: Seen) -> Reply | None:
        return None

    def apply(self, operation: str, seen: Seen) -> Reply:
        asked = seen.data or {}
        for name, needed in (("product_oid", True), *((number, number == _NUMBERS[0]) for number in _NUMBERS)):
            value = asked.get(name, "")
            if not isinstance(value, str) or (needed and not value):
                return _answer(1, "400", f"{name} must be text{' and is mandatory' if needed else ''}", None, 400)
        if self._options.failure is not None:
            failure = self._options.failure
            return _answer(failure.status, failure.code, failure.message, None)
        return _answer(0, "100", None, [] if asked[_NUMBERS[0]].startswith(_MISSING_PREFIX) else self._due(asked))

    def _due(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        whose = {name: asked.get(name, "") for name in ("product_oid", *_NUMBERS)}
        whose["subscriber_nos"] = ",".join(whose[name] for name in _NUMBERS if whose[name])
        laid_over: list[dict[str, Any]] = [{} for _ in _ROWS] if self._options.rows is None else self._options.rows
        return [_ROWS[min(nth, len(_ROWS) - 1)] | whose | changed for nth, changed in enumerate(laid_over)]

    def revoke(self, seen: Seen) -> None:
        """There are no credentials."""

    def duplicate(self, reference: str) -> Reply:
        return self.refusal()

    def refusal(self) -> Reply:
        failure = _Failure()
        return _answer(failure.status, failure.code, failure.message, None)

    def control(self, what: str, data: Any) -> Any:
        if what != "options":
            raise LookupError(what)
        if not isinstance(data, dict):
            raise ValueError("the body must be a JSON object of options")
        self._options = Options.model_validate(self._options.model_dump() | data)
        return self._options.model_dump()

    def reset(self) -> None:
        self._options = Options()


def _answer(status: int, code: str, message: str | None, payload: Any, http_status: int = 200) -> Reply:
    return as_json({"status": status, "code": code, "message": message, "payload": payload}, http_status)
