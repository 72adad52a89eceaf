"""Our books beside the sandbox's ledger: what was applied, and how often."""

import json
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 30
# (provider, operation, reference) to the amounts that were applied. References are told apart by provider: two of
# them may have the same one.
Ledger = Mapping[tuple[str, str, str], Sequence[str]]


@dataclass(slots=True)
class Lane:
    """One provider's payments by state, and how many of them it applied; twice and lost count what must not be."""

    states: Counter[str] = field(default_factory=Counter)
    applied: int = 0
    twice: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """lanes: by provider, also those that have no lane. The lists name what must not be: all empty when all is well.

    lost: ours says succeeded, the ledger has nothing. failed_but_applied: ours says refused or cancelled, the ledger
    has it. wrong_amount: applied with another amount. unknown: applied, and we know nothing of it.
    """

    lanes: dict[str, Lane] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    failed_but_applied: list[str] = field(default_factory=list)
    wrong_amount: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Was everything applied exactly once that we call succeeded, and nothing else?"""
        return not (self.lost or self.twice or self.failed_but_applied or self.wrong_amount or self.unknown)


def read_ledger(sandbox_url: str) -> Ledger:
    """The settles and refunds that the sandbox applied. Raises OSError."""
    with urllib.request.urlopen(f"{sandbox_url}/control/ledger", timeout=TIMEOUT_S) as answer:  # noqa: S310
        applied: list[dict[str, str]] = json.load(answer)["applied"]
    ledger: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in applied:
        if row["operation"] in ("settle", "refund"):
            ledger[row["provider"], row["operation"], row["reference"]].append(row["amount"])
    return dict(ledger)


def compare(payments: Iterable[Mapping[str, Any]], ledger: Ledger) -> Comparison:
    """payments: export rows. A refund stands in the ledger under its settle's reference (billcenter's REFUND_ID)."""
    rows = list(payments)
    references = {(row["source"], row["intent_id"]): row["sent_reference"] for row in rows}
    found = Comparison()
    ours = set()
    for row in rows:
        refund = row["operation"] == "refund"
        reference = references.get((row["source"], row["refund_of"])) if refund else row["sent_reference"]
        key = (row["provider"], row["operation"], reference or "")
        ours.add(key)
        _add(found, row, ledger.get(key, ()))
    found.unknown.extend(" ".join(key) for key in ledger if key not in ours)
    return found


def _add(found: Comparison, row: Mapping[str, Any], amounts: Sequence[str]) -> None:
    name, state = f"{row['source']}/{row['intent_id']}", row["state"]
    lane = found.lanes.setdefault(row["provider"], Lane())
    lane.states[state] += 1
    lane.applied += bool(amounts)
    if len(amounts) > 1:
        found.twice.append(name)
        lane.twice += 1
    if state == "succeeded" and not amounts:
        found.lost.append(name)
        lane.lost += 1
    if state in ("refused", "cancelled") and amounts:
        found.failed_but_applied.append(name)
    if any(amount != row["amount"] for amount in amounts):
        found.wrong_amount.append(name)
