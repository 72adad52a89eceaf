"""What the judge of chaos takes for done."""

from typing import Any

from tests.chaos.judge import open_ones


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
