"""What all rooms read of a payment's row, and from rows to the domain's dataclasses."""

from decimal import Decimal
from typing import Any

from shared.database.engine import Connection, Row
from shared.domain.payment import Operation, Payment

# The columns that make a Payment; statements select these from their row `p`.
PAYMENT_COLUMNS = """p.id, p.source, p.intent_id, p.provider, p.operation, p.amount_minor, p.currency, p.paid_at,
    p.target, p.sent_reference, p.receipt, p.notify, p.refund_of, p.body, p.path, p.baseline, p.in_doubt,
    p.traceparent"""


# What a payment of a statement's row `p` adds to a sum, in minor units: a refund takes away.
SIGNED_MINOR = "CASE p.operation WHEN 'settle' THEN p.amount_minor ELSE -p.amount_minor END"


def payment(row: Row, settled: Payment | None = None) -> Payment:
    """The Payment in a row that holds PAYMENT_COLUMNS."""
    return Payment(
        id=row["id"],
        source=row["source"],
        intent_id=row["intent_id"],
        provider=row["provider"],
        operation=Operation(row["operation"]),
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        paid_at=row["paid_at"],
        target=row["target"],
        sent_reference=row["sent_reference"],
        receipt=row["receipt"],
        notify=row["notify"],
        refund_of=row["refund_of"],
        body=_bytes(row["body"]),
        path=row["path"],
        baseline=row["baseline"],
        in_doubt=row["in_doubt"],
        traceparent=row["traceparent"],
        settled=settled,
    )


def provider_of(connection: Connection, payment_id: int) -> str | None:
    """The provider of a payment that is not in the archive; None where there is no such payment."""
    row = connection.execute("SELECT provider FROM payments WHERE id = %s", (payment_id,)).fetchone()
    return row["provider"] if row else None


def whole(row: Row) -> Row:
    """The same row, its sums (numeric, so without a limit) as the whole numbers of minor units that they are."""
    return {name: int(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
