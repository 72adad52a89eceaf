"""Made-up intents for tests: billcenter settles and refunds, each on an invoice of its own unless said otherwise."""

from typing import Any

SERVICE = 140  # the sandbox's ordinary service
Intent = dict[str, Any]


def settle(source: str, number: int, *, invoice: str | None = None, service: int = SERVICE, **changed: Any) -> Intent:
    """A settle with the id `s<number>`; changed: other values of its fields."""
    return {
        "intent_id": f"s{number}",
        "source": source,
        "provider": "billcenter",
        "operation": "settle",
        "amount": f"{100 + number}.25",
        "currency": "MNT",
        "paid_at": "2026-11-21T03:24:12.133606Z",
        "target": {
            "invoice_code": invoice or f"{source}-{number}",
            "bs_customer_code": "543210",
            "biller_service_id": service,
        },
    } | changed


def refund(source: str, number: int, **changed: Any) -> Intent:
    """The refund of `settle(source, number)`, whole, with the id `r<number>`."""
    return {
        "intent_id": f"r{number}",
        "source": source,
        "provider": "billcenter",
        "operation": "refund",
        "refund_of": f"s{number}",
        "amount": f"{100 + number}.25",
        "currency": "MNT",
        "paid_at": "2026-11-22T03:24:12.133606Z",
    } | changed


def refundable(source: str, number: int) -> list[Intent]:
    """Two settles on one invoice and the refund of the second: a refund made twice would find the money for it."""
    invoice = f"{source}-{number}"
    other = settle(source, number, invoice=invoice, intent_id=f"o{number}", amount="5000.00")
    return [other, settle(source, number, invoice=invoice), refund(source, number)]
