"""Our books beside the sandbox's ledger: what was applied, and how often."""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TIMEOUT_S = 30
Ledger = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """rows: (state, payments, applied at the provider). The lists name what must not be: all empty when all is well.

    lost: ours says succeeded, the ledger has nothing. failed_but_applied: ours says refused or cancelled, the ledger
    has it. wrong_amount: applied with another amount. unknown: applied, and we know nothing of it.
    """

    rows: list[tuple[str, int, int]]
    lost: list[str]
    twice: list[str]
    failed_but_applied: list[str]
    wrong_amount: list[str]
    unknown: list[str]

    @property
    def agrees(self) -> bool:
        """Was everything applied exactly once that we call succeeded, and nothing else?"""
        return not (self.lost or self.twice or self.failed_but_applied or self.wrong_amount or self.unknown)


def read_ledger(sandbox_url: str) -> Ledger:
    """What the sandbox applied, by reference and operation. Raises OSError."""
    with urllib.request.urlopen(f"{sandbox_url}/control/ledger?by=reference", timeout=TIMEOUT_S) as answer:  # noqa: S310
        ledger: Ledger = json.load(answer)
    return ledger


def compare(payments: Iterable[Mapping[str, Any]], ledger: Ledger) -> Comparison:
    """payments: export rows. A refund stands in the ledger under its settle's reference (billcenter's REFUND_ID)."""
    rows = list(payments)
    references = {(row["source"], row["intent_id"]): row["sent_reference"] for row in rows}
    counts: Counter[str] = Counter()
    applied_counts: Counter[str] = Counter()
    found = Comparison([], [], [], [], [], [])
    ours = set()
    for row in rows:
        name = f"{row['source']}/{row['intent_id']}"
        refund = row["operation"] == "refund"
        reference = references.get((row["source"], row["refund_of"])) if refund else row["sent_reference"]
        ours.add((reference, row["operation"]))
        entry = ledger.get(reference or "", {}).get(row["operation"], {})
        applied = int(entry.get("applied", 0))
        counts[row["state"]] += 1
        applied_counts[row["state"]] += applied
        if applied > 1:
            found.twice.append(name)
        if row["state"] == "succeeded" and not applied:
            found.lost.append(name)
        if row["state"] in ("refused", "cancelled") and applied:
            found.failed_but_applied.append(name)
        if applied and entry["amount"] != row["amount"]:
            found.wrong_amount.append(name)
    found.unknown.extend(
        f"{operation} {reference}"
        for reference, operations in ledger.items()
        for operation, entry in operations.items()
        if operation in ("settle", "refund") and entry["applied"] and (reference, operation) not in ours
    )
    found.rows.extend((state, counts[state], applied_counts[state]) for state in sorted(counts))
    return found
