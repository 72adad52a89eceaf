"""Payments put into the store as accept does, and moved to a state by legal transitions."""

from datetime import UTC, datetime

from shared import lanes
from shared.database.engine import Connection
from shared.domain.intent import Intent
from shared.domain.payment import Operation, State
from shared.domain.request import Request
from shared.payments.store import accept as accept_store
from shared.payments.store.accept import NewPayment
from tests.support.references import new_reference

PROVIDER = "billcenter"
_WAYS = {
    State.ACCEPTED: (),
    State.DISPATCHED: ("dispatched",),
    State.SENDING: ("dispatched", "sending"),
    State.WAITING: ("dispatched", "sending", "waiting"),
    State.UNKNOWN: ("dispatched", "sending", "unknown"),
    State.PARKED: ("dispatched", "sending", "unknown", "parked"),
    State.SUCCEEDED: ("dispatched", "sending", "succeeded"),
    State.REFUSED: ("refused",),
    State.CANCELLED: ("cancelled",),
}


def add_payment(
    connection: Connection,
    intent_id: str,
    state: State = State.ACCEPTED,
    *,
    possibly_sent: bool = False,
    receipt: bool = False,
    sms: bool = False,
    resend_safe: bool = True,
) -> int:
    """A settle of `shop/<intent_id>` in this state; its id."""
    lanes.ensure(connection, [PROVIDER])
    intent = Intent(
        source="shop",
        intent_id=intent_id,
        provider=PROVIDER,
        operation=Operation.SETTLE,
        amount_minor=10_000,
        currency="MNT",
        paid_at=datetime(2026, 11, 21, 3, 24, 12, tzinfo=UTC),
        target={"invoice_code": intent_id, "bs_customer_code": "1", "biller_service_id": 140},
        refund_of=None,
        receipt={"register": "", "email": ""} if receipt else None,
        notify={"sms": "995500000001"} if sms else None,
        metadata=None,
        digest=intent_id.encode().ljust(32, b"\0")[:32],
    )
    request = Request("/settle", b'{"made": "up"}', f"billcenter:{intent_id}")
    [number] = accept_store.insert(connection, [NewPayment(intent, new_reference(), resend_safe, request)]).values()
    for step in _WAYS[state]:
        connection.execute(
            """UPDATE payments SET state = %s, possibly_sent = possibly_sent OR %s,
            due_at = CASE WHEN %s IN ('parked', 'succeeded', 'refused', 'cancelled') THEN NULL ELSE clock() END
            WHERE id = %s""",
            (step, possibly_sent and step not in ("dispatched", "sending"), step, number),
        )
    return number


def everything(connection: Connection, number: int) -> list[object]:
    """The payment, its events, resolutions and follow-ups: what an illegal request must leave as it is."""
    return [
        connection.execute(f"SELECT * FROM {table} WHERE {key} = %s ORDER BY 1", (number,)).fetchall()
        for table, key in (
            ("payments", "id"),
            ("events", "payment_id"),
            ("resolutions", "payment_id"),
            ("follow_ups", "payment_id"),
        )
    ]
