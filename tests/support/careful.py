"""Made-up payments of the providers that promise nothing about a repeated request, and what their ledger must say."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.support.intents import Intent
from tests.support.stack import Row, Stack

ACCOUNTS = 250  # payments share accounts, as they do in life: a check has others of ours to look at


def ubill(source: str, number: int, first_account: int = 1) -> Intent:
    """A payment of a sum of its own."""
    return {
        "intent_id": f"u{number}",
        "source": source,
        "provider": "ubill",
        "operation": "settle",
        "amount": f"{1 + number // 100}.{number % 100:02d}",
        "currency": "GEL",
        "paid_at": "2026-11-21T03:24:12.133606Z",
        "target": {"account_id": first_account + number % ACCOUNTS},
    }


def mtn(source: str, number: int, first_account: int = 1) -> Intent:
    """A payment of a sum of its own."""
    return ubill(source, number) | {
        "intent_id": f"m{number}",
        "provider": "mtn",
        "currency": "GHS",
        "target": {
            "id_type": "Account Number",
            "id": f"{first_account + number % ACCOUNTS:08d}",
            "customer_type": 2,
        },
    }


INTENTS: Mapping[str, Callable[..., Intent]] = {"ubill": ubill, "mtn": mtn}
_BOOKS_READ = {"ubill": "account_payments", "mtn": "bill"}

_PAYMENTS = """
SELECT intent_id, provider, state, sent_reference, attempts, detail, target,
    round(amount_minor / power(10::numeric, places), places)::text AS amount
FROM payments WHERE source = %s
"""


def payments(stack: Stack, source: str) -> list[Row]:
    return stack.query(_PAYMENTS, source)


def applied(stack: Stack, ours: Iterable[Row], *, by_amount: bool = False) -> Counter[tuple[str, ...]]:
    """How often the sandbox applied each of these payments: by our reference, or where the provider loses that by
    provider, account and sum (which are one payment's only)."""
    names = {_name(row["provider"], row, by_amount) for row in ours}
    rows = (row for row in stack.sandbox.ledger() if row["operation"] == "settle")
    return Counter(name for row in rows if (name := _ledger_name(row, by_amount)) in names)


def _name(provider: str, row: Row, by_amount: bool) -> tuple[str, ...]:
    if not by_amount:
        return (provider, row["sent_reference"])
    account = row["target"].get("account_id") or row["target"]["id"]
    return (provider, str(account), row["amount"])


def _ledger_name(row: Row, by_amount: bool) -> tuple[str, ...]:
    if not by_amount:
        return (row["provider"], row["reference"])
    return (row["provider"], row["invoice_code"], row["amount"])


def unchecked_resends(stack: Stack, ours: Iterable[Row], provider: str) -> tuple[int, list[str]]:
    """By the sandbox's own log: how many payments were sent again, and those of them whose account was not read between
    two sends. A request that was refused at the door (429) was never sent as far as money goes."""
    reads: defaultdict[str, list[int]] = defaultdict(list)
    for row in stack.sandbox.requests(operation=_BOOKS_READ[provider]):
        reads[row["path"].rpartition("/")[2].partition("?")[0]].append(row["number"])
    sends: defaultdict[str, list[int]] = defaultdict(list)
    for row in stack.sandbox.requests(operation="settle"):
        if row["fault"] != "error_429":
            sends[row["reference"]].append(row["number"])
    mine = {row["sent_reference"]: str(row["target"].get("account_id") or row["target"]["id"]) for row in ours}
    again = [reference for reference in mine if len(sends[reference]) > 1]
    wrong = [
        reference
        for reference in again
        for one, next_ in zip(sends[reference], sends[reference][1:], strict=False)
        if not any(one < read < next_ for read in reads[mine[reference]])
    ]
    return len(again), wrong


def fault(provider: str, kind: str, rate: float, **fields: Any) -> dict[str, Any]:
    return {"provider": provider, "operation": "settle", "fault": kind, "rate": rate, "seed": 7, **fields}
