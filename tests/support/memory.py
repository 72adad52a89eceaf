"""In-memory stand-ins for what an adapter needs of the store, and made-up payments."""

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from shared.domain.payment import Operation, Payment
from shared.domain.records import StoredToken


class MemoryTokens:
    """A TokenStore for all the TokenSources of a test: one fleet."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._login = threading.Lock()
        self._rows: list[tuple[float, StoredToken]] = []
        self.reads = 0

    def read(self, _provider: str) -> StoredToken | None:
        with self._guard:
            self.reads += 1
            if not self._rows:
                return None
            saved, row = self._rows[-1]
            return replace(row, age_s=row.age_s + time.monotonic() - saved)

    def save(self, _provider: str, token: Mapping[str, Any], after_refusal: bool) -> StoredToken:
        with self._guard:
            row = StoredToken(len(self._rows) + 1, json.loads(json.dumps(token)), False, after_refusal, 0.0)
            self._rows.append((time.monotonic(), row))
            return row

    def invalidate(self, _provider: str, version: int) -> None:
        with self._guard:
            if self._rows and self._rows[-1][1].version == version:
                saved, row = self._rows[-1]
                self._rows[-1] = (saved, replace(row, refused=True))

    def prove(self, _provider: str, version: int) -> None:
        with self._guard:
            if self._rows and self._rows[-1][1].version == version:
                saved, row = self._rows[-1]
                self._rows[-1] = (saved, replace(row, after_refusal=False))

    def try_login_lock(self, _provider: str) -> Callable[[], None] | None:
        return self._login.release if self._login.acquire(blocking=False) else None

    def age(self, seconds: float) -> None:
        """Make the newest row this much older."""
        with self._guard:
            saved, row = self._rows[-1]
            self._rows[-1] = (saved - seconds, row)


@dataclass
class MemoryDirectory:
    lists: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)

    def rows(self, kind: str, key: str) -> Sequence[Mapping[str, Any]]:
        return self.lists.get((kind, key), [])

    def fetched(self, kind: str) -> bool:
        return any(listed == kind for listed, _ in self.lists)


@dataclass
class MemoryBooks:
    net: dict[str, int] = field(default_factory=dict)
    facts: set[tuple[str, str]] = field(default_factory=set)
    succeeded_references: dict[str, set[str]] = field(default_factory=dict)
    references: set[str] = field(default_factory=set)
    latest: Payment | None = None
    filed_elsewhere: set[str] = field(default_factory=set)
    lost_keys: set[str] = field(default_factory=set)

    def lost_time(self, exclusive_key: str) -> bool:
        return exclusive_key in self.lost_keys

    def net_minor(self, exclusive_key: str) -> int:
        return self.net.get(exclusive_key, 0)

    def succeeded(self, books_key: str) -> frozenset[str]:
        return frozenset(self.succeeded_references.get(books_key, ()))

    def latest_success(self, _provider: str, _under: str = "") -> Payment | None:
        return self.latest

    def ours(self, references: Set[str]) -> frozenset[str]:
        return frozenset(references & self.references)

    def elsewhere(self, references: Set[str], _books_key: str) -> frozenset[str]:
        return frozenset(references & self.filed_elsewhere)

    def knows(self, provider: str, fact: str) -> bool:
        return (provider, fact) in self.facts

    def learn(self, provider: str, fact: str) -> None:
        self.facts.add((provider, fact))

    def unlearn(self, provider: str, fact: str) -> None:
        self.facts.discard((provider, fact))


def jwt(expires_in_s: float, **claims: Any) -> str:
    """An unsigned token whose `exp` is this far away."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part({'exp': int(time.time() + expires_in_s), **claims})}.x"


SETTLE = Payment(
    id=1,
    source="shop",
    intent_id="order-1",
    provider="billcenter",
    operation=Operation.SETTLE,
    amount_minor=10_000,
    currency="MNT",
    paid_at=datetime(2026, 11, 21, 3, 24, 12, 133606, UTC),
    target={"invoice_code": "900000001", "bs_customer_code": "300001", "biller_service_id": 140, "bank_code": "70001"},
    sent_reference="sp-1",
)

MTN_SETTLE = replace(
    SETTLE,
    provider="mtn",
    currency="ZAR",
    target={"id_type": "Account Number", "id": "700001", "customer_type": 2},
    sent_reference="bhh3qve5w26w3jsedefr",
)
