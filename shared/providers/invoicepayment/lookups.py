"""invoicepayment's one documented call: the unpaid bills of a subscriber."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from shared.providers.answer_meanings import document, plain
from shared.providers.base import Lookup, LookupFailed
from shared.providers.http import Http
from shared.providers.invoicepayment.bills import bill, shown
from shared.providers.parameters import must_fit
from shared.providers.raw_answers import HttpFault

_PATH = "/v1/InvoicePayment/GetInvoicesByProductAndSubscriber"
_SUCCESS = (0, "100")  # `status` and `code`, as in the example: our reading, the document lists no values

_PARAMETERS: Mapping[str, tuple[type, bool, str]] = {
    "product_oid": (str, True, "id of the institution"),
    "subscriber_no1": (str, True, "phone, contract or identity number, whichever the institution asks for"),
    "subscriber_no2": (str, False, "a second number, where the institution asks for one"),
    "subscriber_no3": (str, False, "a third number, where the institution asks for one"),
}


class Lookups:
    """The reads. Thread-safe. How one is let in is not documented: no credential is sent."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def entries(self) -> Mapping[str, Lookup]:
        """Every look-up by name."""
        said = "what a subscriber has to pay, in the order of payment"
        return {"invoices": Lookup(said, _PARAMETERS, self._call, shown, upstreams=True)}

    def _call(self, **given: str) -> list[dict[str, Any]]:
        """The bills by `payment_order_no`; amounts are decimal text. Raises LookupFailed."""
        must_fit("invoicepayment invoices", _PARAMETERS, {key: value or None for key, value in given.items()})
        body = json.dumps({key: given.get(key) or "" for key in _PARAMETERS})
        outcome = self._http.read("POST", _PATH, body=body.encode())
        if isinstance(outcome, HttpFault):
            raise LookupFailed(f"invoicepayment did not answer ({outcome.kind}); try again later")
        rows = _payload(outcome.status, document(outcome))
        try:
            return sorted((bill(row) for row in rows), key=_order)
        except RecursionError:
            raise LookupFailed("invoicepayment invoices: the answer is nested too deeply") from None


def _payload(status: int, document: Any) -> Sequence[Mapping[str, Any]]:
    """The rows of a success. Raises LookupFailed with what the provider says for everything else."""
    if not isinstance(document, dict):
        said = "the answer is not a JSON object; try again later" if status == 200 else f"HTTP {status}"
        raise LookupFailed(f"invoicepayment invoices: {said}")
    got = document.get("status"), document.get("code")
    if status != 200 or isinstance(got[0], bool) or got != _SUCCESS:
        message = plain(document.get("message")) or "no reason given"
        codes = ", ".join(f"{name} {_short(value)}" for name, value in zip(("status", "code"), got, strict=True))
        raise LookupFailed(f"invoicepayment invoices: {message} (HTTP {status}, {codes})")
    payload = document.get("payload")
    rows = [payload] if isinstance(payload, dict) else payload  # an object in the table, a list in the example
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LookupFailed("invoicepayment invoices: payload is not as documented")
    return rows


def _short(value: Any) -> str:
    return (plain(str(value)) or "?")[:20]


def _order(row: Mapping[str, Any]) -> tuple[bool, int]:
    """Rows without a place keep theirs behind those with one."""
    place = row["payment_order_no"]
    known = isinstance(place, str) and place.isascii() and place.isdigit() and len(place) <= 9
    return (not known, int(place) if known else 0)
