"""Billcenter as its document describes it; see README.md beside this package for what can be switched."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from deploy.sandbox.billcenter import controls, money, reads
from deploy.sandbox.billcenter.state import Refused, State
from deploy.sandbox.billcenter.tokens import Tokens
from deploy.sandbox.ledger import Ledger
from deploy.sandbox.wire import Reply, Seen, as_json, detail

_API = "/api/third_party/"
_SERVICE = f"{_API}biller_services/"
_BODY: Mapping[str, Callable[[State, Seen], Reply]] = {
    "settle": money.settle,
    "refund": money.refund,
    "receipt": money.receipt,
}
_QUERY: Mapping[str, reads.Read] = {
    "biller_categories": reads.categories,
    "biller_services": reads.services,
    "biller_service_customers": reads.customers,
    "by_address": reads.by_address,
    "recommendations": reads.recommendations,
    "address_list": reads.address_list,
    "single_detail_bill": reads.single_detail_bill,
    "combined_detail_bill": reads.combined_detail_bill,
    "dashboard": reads.dashboard,
    "invoices": reads.invoices,
    "bank_accounts": reads.bank_accounts,
}
_CUSTOMERS = f"{_API}biller_service_customers/"
_ENDPOINTS: Mapping[tuple[str, str], str] = {
    ("POST", "/api/token/"): "token",
    ("POST", "/api/token/refresh/"): "refresh",
    ("POST", f"{_API}settle_payment/"): "settle",
    ("POST", f"{_API}refund_payment/"): "refund",
    ("POST", f"{_API}nuat_paid_invoice/"): "receipt",
    ("POST", f"{_API}address_list/"): "address_list",
    ("POST", f"{_CUSTOMERS}by_address/"): "by_address",
    ("GET", _CUSTOMERS): "biller_service_customers",
    ("GET", f"{_CUSTOMERS}recommendations/"): "recommendations",
    ("GET", f"{_CUSTOMERS}recommendeds/"): "recommendations",  # the path of the document's example
    ("GET", f"{_CUSTOMERS}single_detail_bill/"): "single_detail_bill",
    ("GET", f"{_CUSTOMERS}combined_detail_bill/"): "combined_detail_bill",
} | {
    ("GET", f"{_API}{name}/"): name
    for name in ("biller_categories", "biller_services", "dashboard", "invoices", "bank_accounts")
}
_OPEN = frozenset({"token", "refresh"})


class Billcenter:
    """The provider `billcenter`; see deploy.sandbox.wire.Provider for its methods."""

    name = "billcenter"
    operations = frozenset(_ENDPOINTS.values()) | {"biller_service"}
    secret_operations = _OPEN

    def __init__(self, ledger: Ledger) -> None:
        self._state = State(ledger)
        self._tokens = Tokens()

    @property
    def latency_s(self) -> float:
        return self._state.options.latency_s

    def find(self, seen: Seen) -> str | None:
        operation = _ENDPOINTS.get((seen.method, seen.path))
        if operation is None and seen.method == "GET" and seen.path.startswith(_SERVICE) and seen.path.endswith("/"):
            return "biller_service"
        return operation

    def reference(self, operation: str, seen: Seen) -> str:
        return money.payment_id_of(seen.data) if operation in _BODY and seen.data else ""

    def admit(self, operation: str, seen: Seen) -> Reply | None:
        if operation in _OPEN:
            return None
        scheme, _, token = seen.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return detail(401, "Authentication credentials were not provided.")
        if not self._tokens.admits(token):
            return detail(401, "Given token not valid for any token type")
        return None

    def apply(self, operation: str, seen: Seen) -> Reply:
        if operation in _OPEN:
            return self._log_in(operation, seen)
        try:
            if operation in _BODY:
                return _BODY[operation](self._state, seen)
            if operation == "biller_service":
                return reads.service(self._state, seen.path.removeprefix(_SERVICE).removesuffix("/"))
            return _QUERY[operation](self._state, dict(parse_qsl(seen.query)))
        except Refused as refusal:
            return detail(400, str(refusal))

    def _log_in(self, operation: str, seen: Seen) -> Reply:
        options, data = self._state.options, seen.data or {}
        if operation == "refresh":
            token = data.get("refresh")
            answer = self._tokens.refresh(token, options.token_ttl_s) if isinstance(token, str) else None
            return as_json(answer) if answer else detail(401, "Token is invalid or expired")
        username, password = data.get("username"), data.get("password")
        if not isinstance(username, str) or password is None or options.users.get(username) != password:
            return detail(401, "No active account found with the given credentials")
        return as_json(self._tokens.login(options.token_ttl_s, options.refresh_ttl_s))

    def revoke(self, seen: Seen) -> None:
        self._tokens.revoke(seen.headers.get("Authorization", "").partition(" ")[2])

    def duplicate(self, reference: str) -> Reply:
        return money.duplicate(reference)

    def refusal(self) -> Reply:
        return detail(400, "The biller does not accept this payment")

    def control(self, what: str, data: Any) -> Any:
        if what == "revoke":
            self._tokens.revoke_all()
            return {"revoked": "all"}
        return controls.CONTROLS[what](self._state, data)

    def reset(self) -> None:
        self._state.reset()
