"""ubill as its document describes it; see README.md beside this package for what can be switched."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from deploy.sandbox.ledger import Ledger
from deploy.sandbox.ubill import accounts, payments, sms
from deploy.sandbox.ubill.callbacks import Callbacks
from deploy.sandbox.ubill.controls import CONTROLS
from deploy.sandbox.ubill.state import Refused, State
from deploy.sandbox.wire import Reply, Seen, as_json

_DO: Mapping[str, Callable[[State, Seen], Reply]] = {
    "settle": payments.settle,
    "account_payments": payments.account_payments,
    "payments": payments.payments,
    "accounts": accounts.accounts,
    "account": accounts.account,
    "accounts_search": accounts.accounts_search,
    "customers": accounts.customers,
    "customer": accounts.customer,
    "customers_search": accounts.customers_search,
    "customer_accounts": accounts.customer_accounts,
    "set_credit": accounts.set_credit,
    "sms_send": sms.send,
    "sms_report": sms.report,
    "sms_balance": sms.balance,
    "sms_brand_names": sms.brand_names,
    "sms_brand_create": sms.create_brand,
    "sms_brand_delete": sms.delete_brand,
}
_ENDPOINTS: Mapping[tuple[str, str], str] = {
    ("POST", "/v1/payments/add"): "settle",
    ("GET", "/v1/payments"): "payments",
    ("GET", "/v1/accounts"): "accounts",
    ("GET", "/v1/accounts/search"): "accounts_search",
    ("POST", "/v1/accounts/setCredit"): "set_credit",
    ("GET", "/v1/customers"): "customers",
    ("GET", "/v1/customers/search"): "customers_search",
    ("POST", "/v1/sms/send"): "sms_send",
    ("GET", "/v1/sms/balance"): "sms_balance",
    ("GET", "/v1/sms/brandNames"): "sms_brand_names",
    ("POST", "/v1/sms/brandNameCreate"): "sms_brand_create",
    ("POST", "/v1/sms/brandNameDelete"): "sms_brand_delete",
}
_WITH_AN_ID: Mapping[str, str] = {
    "/v1/payments/account": "account_payments",
    "/v1/accounts": "account",
    "/v1/customers": "customer",
    "/v1/customers/accounts": "customer_accounts",
    "/v1/sms/report": "sms_report",
}


class Ubill:
    """The provider `ubill`; see deploy.sandbox.wire.Provider for its methods."""

    name = "ubill"
    operations = frozenset(_DO)
    secret_operations: frozenset[str] = frozenset()

    def __init__(self, ledger: Ledger) -> None:
        self._state = State(ledger)
        self._callbacks = Callbacks()

    @property
    def latency_s(self) -> float:
        return self._state.options.latency_s

    def find(self, seen: Seen) -> str | None:
        operation = _ENDPOINTS.get((seen.method, seen.path))
        if operation is None and seen.method == "GET":
            return _WITH_AN_ID.get(seen.path.rpartition("/")[0])
        return operation

    def reference(self, operation: str, seen: Seen) -> str:
        return payments.comment_of(seen.data) if operation == "settle" else ""

    def admit(self, operation: str, seen: Seen) -> Reply | None:
        """The document shows no answer to a wrong key: 401 is our reading. The SMS balance takes it in the query."""
        key = seen.headers.get("key")
        if key is None and operation == "sms_balance":
            key = dict(parse_qsl(seen.query)).get("key")
        if key in self._state.options.keys and key not in self._state.revoked:
            return None
        return as_json({"statusID": 99, "message": "Unauthorized"}, 401)

    def apply(self, operation: str, seen: Seen) -> Reply:
        try:
            return _DO[operation](self._state, seen)
        except Refused as refusal:
            return _no(refusal.status_id, str(refusal))

    def revoke(self, seen: Seen) -> None:
        """Until the next reset, or for good: a static key is not issued anew."""
        self._state.revoked.add(seen.headers.get("key", ""))

    def duplicate(self, reference: str) -> Reply:
        """It knows no duplicates; this is only what the fault asks for."""
        return as_json({"statusID": 99, "message": f"comment {reference} already exists"}, 400)

    def refusal(self) -> Reply:
        return _no(99, "General error")

    def control(self, what: str, data: Any) -> Any:
        return CONTROLS[what](self._state, self._callbacks, data)

    def reset(self) -> None:
        self._state.reset()
        self._callbacks.reset()


def _no(status_id: int, message: str) -> Reply:
    """Failures come with HTTP 200: our reading."""
    return replace(as_json({"statusID": status_id, "message": message}), refused=True)
