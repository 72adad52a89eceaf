"""What many payments would come to is known again by its digest, and nothing else that somebody decides by is."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.domain.answers import MAX_SHOWN, CheckResult, Verdict
from shared.domain.payment import Operation
from shared.payments.look import Look
from shared.payments.many import Plan, Which
from shared.payments.store.check import CheckClaim

LINE = {"number": "L1", "amount": "100.00"}
RESULT = CheckResult(Verdict.INCONCLUSIVE, "not listed, but", doubts=("the list is not whole",), shown=(LINE,))


def looked(result: CheckResult, intent_id: str = "p1", **changes: Any) -> Look:
    told = {"source": "shop", "intent_id": intent_id, "amount_minor": 10_000, "currency": "MNT"}
    payment = SimpleNamespace(**{**told, "operation": Operation.SETTLE, **changes})
    return Look(cast(CheckClaim, SimpleNamespace(payment=payment)), 1, result)


def digest(*looks: Look, answer: str = "succeeded") -> str:
    return Plan(answer, Which(), looks, (), (), False).shown


SHOWN = digest(looked(RESULT))


@pytest.mark.parametrize(
    "other",
    [
        replace(RESULT, doubts=("the settle window is not over",)),
        replace(RESULT, doubts=(*RESULT.doubts, "it may have been sent in a lost time")),
        replace(RESULT, shown=(LINE, LINE)),
        replace(RESULT, shown=(LINE,) * (MAX_SHOWN + 1)),
        replace(RESULT, verdict=Verdict.NOT_APPLIED),
    ],
)
def test_whatever_the_books_show_otherwise_is_something_else(other: CheckResult) -> None:
    assert digest(looked(other)) != SHOWN


def test_what_was_left_out_of_the_lines_is_something_else() -> None:
    one, two = ((LINE,) * (MAX_SHOWN + more) for more in (1, 2))
    assert digest(looked(replace(RESULT, shown=one))) != digest(looked(replace(RESULT, shown=two)))


def test_the_payments_their_sums_and_the_answer_are_in_it() -> None:
    assert digest(looked(RESULT), answer="refused") != SHOWN
    assert digest(looked(RESULT, amount_minor=10_001)) != SHOWN
    assert digest(looked(RESULT, operation=Operation.REFUND)) != SHOWN
    assert digest(looked(RESULT), looked(RESULT, "p2")) != SHOWN


def test_how_it_is_said_and_in_which_order_is_not() -> None:
    assert digest(looked(replace(RESULT, detail="otherwise said"))) == SHOWN
    one, two = looked(RESULT), looked(RESULT, "p2")
    assert digest(one, two) == digest(two, one)
