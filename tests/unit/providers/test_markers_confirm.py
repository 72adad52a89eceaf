"""A payment is not taken for not applied before the last success was read back."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from shared.domain.answers import CheckResult, Verdict
from shared.domain.payment import Payment
from shared.providers.markers import Line, confirm
from tests.support.memory import SETTLE, MemoryBooks

FACT = "gives_markers_back:made-up"
KNOWN = ("acme", FACT)
PAYMENT = replace(SETTLE, provider="acme", sent_reference="sp-1")
LATEST = replace(PAYMENT, sent_reference="sp-0", target={"account": 9})
ABSENT = CheckResult(Verdict.NOT_APPLIED, "not listed", {"lines": 0})
SHOWN = [Line("sp-0", 500, True, None)]


def confirmed(
    lines: Sequence[Line] | None, latest: Payment | None = LATEST, result: CheckResult = ABSENT
) -> tuple[CheckResult, MemoryBooks, list[Payment]]:
    books, asked = MemoryBooks(facts={KNOWN}, latest=latest), list[Payment]()

    def read(payment: Payment) -> Sequence[Line] | None:
        asked.append(payment)
        return lines

    return confirm(result, PAYMENT, books, FACT, read), books, asked


def test_where_the_last_success_is_shown_it_is_believed() -> None:
    result, books, asked = confirmed(SHOWN)
    assert (result, books.facts, asked) == (ABSENT, {KNOWN}, [LATEST])


@pytest.mark.parametrize("lines", [[], [Line("SP-0", 500, True, None)], [Line(None, 500, True, None)]])
def test_where_the_last_success_is_not_shown_nothing_is_believed_until_one_is_again(lines: list[Line]) -> None:
    result, books, _ = confirmed(lines)
    assert (result.verdict, result.evidence) == (Verdict.INCONCLUSIVE, {"lines": 0})
    assert books.facts == set()


def test_a_list_that_can_not_be_read_leaves_the_question_open() -> None:
    result, books, _ = confirmed(None)
    assert (result.verdict, books.facts) == (Verdict.INCONCLUSIVE, {KNOWN})


def test_without_any_success_there_is_nothing_to_hold_it_against() -> None:
    result, _, asked = confirmed(SHOWN, latest=None)
    assert (result.verdict, asked) == (Verdict.INCONCLUSIVE, [])


@pytest.mark.parametrize("verdict", [Verdict.APPLIED, Verdict.INCONCLUSIVE])
def test_other_verdicts_cost_no_read(verdict: Verdict) -> None:
    given = CheckResult(verdict, "as it was")
    result, _, asked = confirmed(SHOWN, result=given)
    assert (result, asked) == (given, [])
