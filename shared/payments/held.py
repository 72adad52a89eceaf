"""held: the payments that wait until somebody says which account is their biller's. Reads only."""

from collections import defaultdict
from collections.abc import Sequence

from shared.database.engine import Connection, Row
from shared.domain.money import format_amount
from shared.domain.payment import HoldReason
from shared.domain.words import counted

_HELD = """
SELECT p.source || '/' || p.intent_id AS name, p.amount_minor, p.currency FROM payments p
WHERE p.hold_reason = %(reason)s AND p.provider = %(provider)s AND p.target ->> 'biller_service_id' = %(service)s
ORDER BY p.id
"""


def ambiguous(connection: Connection, provider: str, service: str) -> Sequence[Row]:
    """Those that are held because several accounts of this biller service fit: name, amount_minor, currency."""
    given = {"reason": HoldReason.AMBIGUOUS_ACCOUNT, "provider": provider, "service": service}
    return connection.execute(_HELD, given).fetchall()


def told(waits: Sequence[Row]) -> str:
    """How many, and their sums by currency."""
    sums: dict[str, int] = defaultdict(int)
    for row in waits:
        sums[row["currency"]] += row["amount_minor"]
    money = ", ".join(f"{format_amount(amount, currency)} {currency}" for currency, amount in sorted(sums.items()))
    return counted(len(waits), "payment", "payments") + (f", {money}" if money else "")
