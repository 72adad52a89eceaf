"""What stands in question, by currency and age, as people and programs are shown it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from shared.database.engine import Connection
from shared.domain.words import lasting
from shared.metrics.read import AtRisk, at_risk_within

SUMMED_S = 2.0  # for a line below a list: half a million payments in doubt take about one


def by_currency(found: Sequence[AtRisk]) -> dict[str, dict[str, Any]]:
    """Sum, number and age of the oldest, by currency."""
    sums: dict[str, dict[str, Any]] = {}
    for one in found:
        entry = sums.setdefault(one.currency, {"amount": Decimal(0), "payments": 0, "oldest_s": 0})
        entry["amount"] += Decimal(one.amount)
        entry["payments"] += one.payments
        entry["oldest_s"] = max(entry["oldest_s"], round(one.oldest_s))
    return {currency: {**entry, "amount": str(entry["amount"])} for currency, entry in sorted(sums.items())}


def below_a_list(connection: Connection, provider: str | None, most_s: float = SUMMED_S) -> str | None:
    """What is at risk in all, or at a provider, as a line below what is listed; None where nothing is. What can't be
    summed in time keeps nobody from the list."""
    found = at_risk_within(connection, most_s)
    if found is None:
        return f"money at risk: not summed within {lasting(most_s)}; Prometheus has it as settlepipe_money_at_risk"
    chosen = [one for one in found if provider in (None, one.provider)]
    return f"money at risk: {in_words(chosen)}" if chosen else None


def in_words(found: Sequence[AtRisk]) -> str:
    """`12.50 GEL (3, oldest 2 h)`; a hyphen where nothing is at risk."""
    sums = by_currency(found).items()
    words = (
        f"{one['amount']} {currency} ({one['payments']}, oldest {lasting(one['oldest_s'])})" for currency, one in sums
    )
    return ", ".join(words) or "-"
