"""How many payments of a message are claimed at once, and what becomes of those that no lot may hold."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from shared.payments import lots, send
from shared.payments.lots import Claimed
from shared.runtime import Stops
from worker.lots import Named, Pace, Sending


def sending_of(pace: Pace, *names: Named) -> Sending:
    return Sending(SimpleNamespace(stops=Stops()), "billcenter", names, None, pace)  # type: ignore[arg-type]


def after(pace: Pace, seconds: float, times: int = 100) -> int:
    for _ in range(times):
        pace.took(seconds)
    return pace.lot


@pytest.mark.parametrize(("seconds", "lot"), [(0.0001, 16), (0.01, 16), (0.1, 9), (0.4, 2), (0.51, 1), (2, 1), (30, 1)])
def test_a_lot_is_what_the_provider_answers_in_a_second(seconds: float, lot: int) -> None:
    assert after(Pace(16), seconds) == lot


def test_nothing_is_known_at_first() -> None:
    assert Pace(16).lot == 1


def test_one_slow_answer_counts_at_once() -> None:
    pace = Pace(16)
    assert after(pace, 0.001) == 16
    assert after(pace, 1, times=1) == 1


def test_what_made_no_call_says_nothing_of_the_provider() -> None:
    """Claims that grew old behind a slow call, and were given back."""
    pace = Pace(16)
    after(pace, 10.0, times=1)
    assert after(pace, 0.0) == 1


def test_a_lot_that_was_made_when_the_provider_was_fast_is_split() -> None:
    pace = Pace(16)
    after(pace, 0.001)
    sending = sending_of(pace, *((number, "a") for number in range(8)))
    (lot,) = sending.lots()
    after(pace, 0.4, times=1)
    assert [len(item) for item in sending.do(lot) if not isinstance(item, Claimed)] == [2, 2, 2, 2]


def test_no_lot_is_larger_than_is_set() -> None:
    assert after(Pace(1), 0.0001) == 1


def test_payments_sent_one_by_one_say_how_large_a_lot_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "send", lambda *_: 0.001)
    sending = sending_of(Pace(16), *((number, "a") for number in range(25)))
    for item in sending.lots():
        sending.do(item)
    assert len(sending.lots()) < 5


def test_what_a_lot_did_not_take_is_claimed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    alone: list[tuple[int, str | None]] = []

    def none(_runtime: Any, names: Sequence[tuple[int, str]]) -> list[Any]:
        assert names == [(1, "a"), (3, "c")], "an older version's message names no reference"
        return []

    def one(_runtime: Any, payment_id: int, reference: str | None, _put: Any) -> float:
        alone.append((payment_id, reference))
        return 0.0

    monkeypatch.setattr(lots, "claim", none)
    monkeypatch.setattr(send, "send", one)
    pace = Pace(16)
    after(pace, 0.001)
    sending = sending_of(pace, (1, "a"), (2, None), (3, "c"))
    (lot,) = sending.lots()
    for item in sending.do(lot):
        assert sending.do(item) == ()
    assert alone == [(1, "a"), (2, None), (3, "c")]
