"""Every event that upstream is told of, and the part of a statement that writes one.

A payment's own events are written by the database where its state changes (triggers `payment_accepted` and
`payment_moved`); all others by statements with `written`. An event is in the transaction of what it tells.
"""

from enum import StrEnum


class EventType(StrEnum):
    """`type` of an event, a CloudEvents 1.0 type. Names are a contract with upstream: none changes, none goes."""

    PAYMENT_ACCEPTED = "settlepipe.payment.accepted"
    PAYMENT_SUCCEEDED = "settlepipe.payment.succeeded"
    PAYMENT_REFUSED = "settlepipe.payment.refused"
    PAYMENT_UNKNOWN = "settlepipe.payment.unknown"
    PAYMENT_PARKED = "settlepipe.payment.parked"
    PAYMENT_CANCELLED = "settlepipe.payment.cancelled"
    PAYMENT_DISPUTED = "settlepipe.payment.disputed"
    RECEIPT_ISSUED = "settlepipe.receipt.issued"
    RECEIPT_REFUSED = "settlepipe.receipt.refused"
    RECEIPT_PARKED = "settlepipe.receipt.parked"
    SMS_SENT = "settlepipe.sms.sent"
    SMS_REFUSED = "settlepipe.sms.refused"
    SMS_PARKED = "settlepipe.sms.parked"
    SMS_DELIVERED = "settlepipe.sms.delivered"
    SMS_UNDELIVERED = "settlepipe.sms.undelivered"
    ACCOUNT_CHANGED = "settlepipe.account.changed"
    INTAKE_QUARANTINED = "settlepipe.intake.quarantined"
    RECONCILIATION_DONE = "settlepipe.reconciliation.done"
    STORE_RECOVERED = "settlepipe.store.recovered"


def literal(event: EventType) -> str:
    """The type as a text of SQL."""
    return f"'{event}'"


def written(*, id: str, type: str, subject: str, data: str, rows: str, payment: str | None = None) -> str:
    """The INSERT of an event for each of `rows` (a FROM and what follows it). All are expressions of SQL.

    id: unique within an epoch, which is put before it; a payment's is its id, a hyphen and a number that grows by one.
    type: a `literal`, or an expression that gives one of EventType. payment: its id, for an event of a payment; they
    are relayed in order.
    """
    columns, values = ("payment_id, ", f"{payment}, ") if payment else ("", "")
    return f"""
    INSERT INTO events ({columns}event_id, type, subject, data)
    SELECT {values}event_name({id}), {type}, {subject}, {data}
    {rows}
"""
