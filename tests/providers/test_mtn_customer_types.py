"""A success at one customer type of mtn's says nothing about the books of another."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from shared.domain.answers import CheckResult, Verdict
from shared.domain.payment import Payment
from shared.providers.base import Doubt
from tests.support.memory import MTN_SETTLE, MemoryBooks
from tests.support.mtn import EARLIER, OTHERS, Seen, listed, mtn, paid

SERVICE = replace(MTN_SETTLE, sent_reference=EARLIER, target={**MTN_SETTLE.target, "id": "700002", "customer_type": 1})
ACCOUNT = replace(MTN_SETTLE, sent_reference=OTHERS, target={**MTN_SETTLE.target, "id": "700003"})


@dataclass
class Levels(MemoryBooks):
    """Every fact is known. successes: the last one by what its books key begins with; the first is the newest."""

    successes: Mapping[str, Payment] = field(default_factory=dict)

    def knows(self, provider: str, fact: str) -> bool:
        return True

    def latest_success(self, _provider: str, under: str = "") -> Payment | None:
        return next((payment for level, payment in self.successes.items() if level.startswith(under)), None)


def check(books: MemoryBooks) -> CheckResult:
    """Services' lists show our success; accounts' lists have begun to leave out what is newest."""

    def answered(seen: Seen) -> bytes:
        return listed(paid(EARLIER)) if "700002" in seen.target else listed()

    with mtn({"read": answered}) as (connected, _, _server):
        assert connected.provider is not None
        doubt = Doubt(MTN_SETTLE, None, None, True, datetime(2026, 11, 21, 4, tzinfo=UTC))
        return connected.provider.check(doubt, books, connected.provider.authorise())


@pytest.mark.parametrize("successes", [{"mtn:1:": SERVICE}, {"mtn:1:": SERVICE, "mtn:2:": ACCOUNT}])
def test_books_that_leave_things_out_are_not_vouched_for_by_those_of_another_level(
    successes: Mapping[str, Payment],
) -> None:
    assert check(Levels(successes=successes)).verdict is Verdict.INCONCLUSIVE
