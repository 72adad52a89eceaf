"""What the judge of chaos takes for done, and what for too much."""

from typing import Any

from tests.chaos.judge import open_ones, refunds, sums


def row(
    id: int,
    state: str,
    hold: str | None = None,
    settle: int | None = None,
    key: str = "invoice",
) -> dict[str, Any]:
    return {"id": id, "state": state, "hold_reason": hold, "settle_id": settle, "exclusive_key": key}


PARKED = row(1, "parked")
BEHIND = row(2, "accepted", "invoice_busy")
REFUND = row(3, "accepted", "settle_pending", 2)
DONE = row(4, "succeeded")


def test_what_waits_behind_a_parked_one_is_not_open_however_far_behind() -> None:
    assert open_ones([PARKED, BEHIND, REFUND, DONE]) == []


def test_what_waits_behind_nothing_that_is_parked_is_open() -> None:
    assert open_ones([BEHIND, REFUND, DONE]) == [BEHIND, REFUND]
    another = row(1, "parked", key="another invoice")
    assert open_ones([another, BEHIND, REFUND, DONE]) == [BEHIND, REFUND]
    assert open_ones([PARKED, row(3, "accepted", "settle_pending", 4), DONE]) == [
        row(3, "accepted", "settle_pending", 4)
    ]
    assert open_ones([PARKED, row(5, "waiting"), row(6, "accepted", "settle_pending", None)]) == [
        row(5, "waiting"),
        row(6, "accepted", "settle_pending", None),
    ]


def refund(state: str, reference: str, amount: str = "9.50") -> dict[str, Any]:
    """A refund of settle 7, which paid 9.50."""
    return {
        "provider": "billcenter",
        "operation": "refund",
        "state": state,
        "reference": reference,
        "amount": amount,
        "settle_id": 7,
        "settle_amount": "9.50",
    }


def line(reference: str, amount: str = "9.50") -> dict[str, Any]:
    return {"provider": "billcenter", "operation": "refund", "reference": reference, "amount": amount}


def test_two_refunds_that_may_each_be_the_one_line_are_not_too_much() -> None:
    """Both bear their settle's reference, and after a lost time nobody knows which of them was made."""
    for other in ("accepted", "parked", "succeeded"):
        payments = [refund("parked", "settle"), refund(other, "settle")]
        assert sums(payments, [line("settle")]) == []
        assert refunds(payments, [line("settle")]) == []


def test_two_refunds_that_are_both_known_as_made_need_two_lines() -> None:
    both = [refund("succeeded", "settle"), refund("succeeded", "settle")]
    assert sums(both, [line("settle")]) == ["billcenter/refund: applied 9.50, known 19.00"]


def test_what_is_applied_and_unknown_is_in_no_sum() -> None:
    assert sums([refund("refused", "settle")], [line("settle")]) == ["billcenter/refund: applied 9.50, known 0"]
    assert sums([refund("succeeded", "settle")], []) == ["billcenter/refund: applied 0, known 9.50"]


def test_a_settle_that_is_given_back_twice_is_too_much_under_whatever_references() -> None:
    payments = [refund("succeeded", "one"), refund("unknown", "other", "0.01")]
    assert refunds(payments, [line("one")]) == []
    assert refunds(payments, [line("one"), line("other", "0.01")]) == ["of settle 7 more was refunded than was paid"]
