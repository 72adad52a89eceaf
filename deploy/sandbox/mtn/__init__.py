"""mtn's Customer Bill Management as its document describes it; see README.md beside this package for the switches."""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote

from deploy.sandbox.ledger import Ledger, timestamp
from deploy.sandbox.mtn import bills, controls
from deploy.sandbox.mtn.applied import Payment, Refused, read, reference_of
from deploy.sandbox.mtn.state import Missing, State, settle
from deploy.sandbox.mtn.tokens import Tokens
from deploy.sandbox.wire import Reply, Seen, as_json

_TOKEN = "/v1/oauth/access_token"  # noqa: S105 - a path
_LIST = "/v1/customerBill"
_COUNTRY = re.compile(r"[A-Z]{3}", re.ASCII)
_SYSTEMS = ("ZSmart", "CLM", "DCBS", "CS")
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Customer not found",
    405: "Method Not allowed",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
# A path that is known with a method that is not: 405, as documented.
_METHODS = {"token": "POST", "bills": "GET", "bill": "GET", "settle": "PATCH"}
_REFUSED_CODE = "1001"


class Mtn:
    """The provider `mtn`; see deploy.sandbox.wire.Provider and OwnErrors for its methods."""

    name = "mtn"
    operations = frozenset(_METHODS)
    secret_operations = frozenset({"token"})

    def __init__(self, ledger: Ledger) -> None:
        self._state = State(ledger)
        self._tokens = Tokens()

    @property
    def latency_s(self) -> float:
        return self._state.options.latency_s

    def find(self, seen: Seen) -> str | None:
        if seen.path == _TOKEN:
            return "token"
        if seen.path == _LIST:
            return "bills"
        customer = seen.path.removeprefix(f"{_LIST}/")
        if customer in ("", seen.path) or "/" in customer:
            return None
        return "settle" if seen.method == "PATCH" else "bill"

    def reference(self, operation: str, seen: Seen) -> str:
        return reference_of(seen.data) if operation == "settle" else ""

    def admit(self, operation: str, seen: Seen) -> Reply | None:
        if operation == "token" or seen.headers.get("X-API-Key") in self._state.options.api_keys:
            return None
        scheme, _, token = seen.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._tokens.admits(token):
            return None
        return self.error(seen, 401, "neither a valid X-API-Key nor a valid access token")

    def apply(self, operation: str, seen: Seen) -> Reply:
        if seen.method != _METHODS[operation]:
            return self.error(seen, 405, f"{seen.method} is not for this path")
        if operation == "token":
            return self._tokens.answer(seen, self._state.options.clients, self._state.options.token_ttl_s)
        try:
            _check_headers(seen.headers)
            if operation == "settle":
                return self._settle(seen)
            query = dict(parse_qsl(seen.query, keep_blank_values=True))
            if operation == "bills":
                data: Any = bills.listed(self._state, query)
            else:
                data = bills.one(self._state, _customer(seen), query)
            return as_json({"result": _result(seen), "data": data})
        except Refused as refusal:
            return self.error(seen, 400, str(refusal))
        except Missing as missing:
            return self.error(seen, 404, str(missing))

    def _settle(self, seen: Seen) -> Reply:
        if seen.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused("the body must be application/json")
        applied, customer = read(seen.data), _customer(seen)
        total = applied.total_paid_amount
        added = settle(self._state, customer, applied, partial(self._note, seen, customer))
        over = self._state.paid[customer] - Decimal(self._state.options.amount_due)
        data = {
            "idType": applied.id_type,
            "id": applied.id,
            "paymentRef": bills.reference_rows(added),
            "amountPaid": total.model_dump(),
            "advancePayment": bills.money(max(over, Decimal()), total.unit),
        }
        return as_json(_result(seen) | {"data": data})

    def _note(self, seen: Seen, customer: str, payment: Payment) -> None:
        """Into the ledger, before anything else changes: a full one refuses."""
        amount = payment.paid_amount
        key = ("mtn", "settle", payment.references[0].reference_id)
        self._state.ledger.apply(key, seen, invoice_code=customer, amount=amount.amount, currency=amount.unit)

    def error(self, seen: Seen, status: int, text: str) -> Reply:
        said = {
            "timestamp": timestamp(seen.at),
            "status": str(status),
            "error": _TITLES.get(status, "Error"),
            "message": text,
            "path": seen.path,
        }
        return as_json(said, status)

    def revoke(self, seen: Seen) -> None:
        options = self._state.options
        keys = [key for key in options.api_keys if key != seen.headers.get("X-API-Key")]
        self._state.options = options.model_copy(update={"api_keys": keys})
        self._tokens.revoke(seen.headers.get("Authorization", "").partition(" ")[2])

    def duplicate(self, reference: str) -> Reply:
        said = f"referenceId {reference} already exists"
        return as_json({"status": "400", "error": _TITLES[400], "message": said}, 400)

    def refusal(self) -> Reply:
        return as_json({"resultCode": _REFUSED_CODE, "resultDescription": "Not processed", "transactionId": "T0"})

    def control(self, what: str, data: Any) -> Any:
        if what == "revoke":
            self._tokens.revoke_all()
            return {"revoked": "all"}
        return controls.CONTROLS[what](self._state, data)

    def reset(self) -> None:
        self._state.reset()


def _customer(seen: Seen) -> str:
    return unquote(seen.path.rpartition("/")[2])


def _check_headers(headers: Mapping[str, str]) -> None:
    if "countryCode" in headers and _COUNTRY.fullmatch(headers["countryCode"]) is None:
        raise Refused("countryCode must be an ISO 3166-1 alpha-3 code")
    if headers.get("targetSystem", "CS") not in _SYSTEMS:
        raise Refused(f"targetSystem must be one of {', '.join(_SYSTEMS)}")


def _result(seen: Seen) -> dict[str, str]:
    """transactionId is the provider's own, not the caller's."""
    number = f"T{seen.number:012d}"
    return {"resultCode": "0000", "resultDescription": "Successfully processed", "transactionId": number}
