"""A lane's turn: soon after a ring, at a pace that what a look found sets, and every interval all the same."""

import pytest

from scheduler.turns import Turns
from shared.messaging import tasks
from shared.payments.dispatch import Looked

NOTHING, SOME = Looked(), Looked([(tasks.SEND, [(1, "r")])])
INTERVAL_S = 0.5


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns(clock: Clock) -> Turns:
    """Of two lanes that were looked at just now, and nothing was found."""
    turns = Turns(["mtn", "ubill"], INTERVAL_S, clock)
    assert turns.begin() == ["mtn", "ubill"], "a dispatcher that starts looks at all"
    for lane in ("mtn", "ubill"):
        turns.looked(lane, NOTHING, rated=False)
    return turns


def next_turn(turns: Turns, clock: Clock) -> tuple[float, list[str]]:
    """When the next turn is if nobody rings, to a tenth of a millisecond, and whose."""
    waited_s = turns.wait_s
    assert waited_s > 0
    assert turns.begin() == []
    clock.now_s += waited_s
    assert turns.wait_s == pytest.approx(0, abs=1e-9)
    clock.now_s += 1e-6
    return round(waited_s, 4), turns.begin()


def test_each_lane_is_looked_at_every_interval_when_nobody_rings(turns: Turns, clock: Clock) -> None:
    for _ in range(3):
        assert next_turn(turns, clock) == (INTERVAL_S, ["mtn", "ubill"])


def test_a_ring_after_a_silence_is_answered_at_once_for_its_lane_alone(turns: Turns, clock: Clock) -> None:
    clock.now_s += 0.1
    turns.ring({"ubill"})
    assert turns.wait_s == 0
    assert turns.begin() == ["ubill"]
    assert next_turn(turns, clock)[1] == ["mtn"], "the other lane's turn comes as if nobody had rung"


@pytest.mark.parametrize("names", [{"1"}, {"*"}, {"mtn", "of another release"}])
def test_a_ring_that_names_no_lane_is_for_all(turns: Turns, clock: Clock, names: set[str]) -> None:
    clock.now_s += 0.1
    turns.ring(names)
    assert turns.begin() == ["mtn", "ubill"]


@pytest.mark.parametrize(
    ("found", "pace_s"),
    [
        pytest.param(SOME, 0.005, id="something was due"),
        pytest.param(NOTHING, 0.005, id="nothing was due"),
        pytest.param(Looked(short=True), 0.02, id="there was no room"),
        pytest.param(Looked(SOME.messages, short=True), 0.02, id="more than there was room for"),
    ],
)
def test_rings_that_come_together_are_answered_by_one_look(
    turns: Turns, clock: Clock, found: Looked, pace_s: float
) -> None:
    clock.now_s += 0.1
    turns.ring({"mtn"})
    turns.begin()
    turns.looked("mtn", found, rated=False)
    turns.ring({"mtn"})
    turns.ring({"mtn"})
    assert next_turn(turns, clock) == (pace_s, ["mtn"])
    assert next_turn(turns, clock)[0] > 0.1, "nobody rang since"


def test_a_look_that_failed_is_not_repeated_at_once(turns: Turns, clock: Clock) -> None:
    clock.now_s += 0.1
    turns.ring({"mtn"})
    assert turns.begin() == ["mtn"]  # and then it raised
    turns.ring({"mtn"})
    assert next_turn(turns, clock) == (0.02, ["mtn"])


def test_a_lane_that_another_dispatcher_looked_at_has_its_turn_again_soon(turns: Turns, clock: Clock) -> None:
    """What rang may have been committed after that one's look."""
    clock.now_s += 0.1
    turns.ring({"mtn"})
    turns.begin()
    turns.looked("mtn", Looked(elsewhere=True), rated=False)
    assert next_turn(turns, clock) == (0.02, ["mtn"])


def test_a_lane_with_a_rate_is_looked_at_often_after_something_went_out(turns: Turns, clock: Clock) -> None:
    clock.now_s += 0.1
    turns.ring({"mtn"})
    turns.begin()
    turns.looked("mtn", SOME, rated=True)
    end_s = clock.now_s + 2
    looks = 0
    while clock.now_s < end_s - 0.051:
        waited_s, lanes = next_turn(turns, clock)
        assert waited_s < 0.051
        looks += lanes.count("mtn")
        for lane in lanes:
            turns.looked(lane, NOTHING, rated=lane == "mtn")
    assert looks >= 38
    clock.now_s = end_s
    turns.begin()
    assert turns.wait_s > 0.051, "tokens are gathered in vain: nothing is due"


def test_an_interval_that_is_shorter_than_a_pace_is_kept(clock: Clock) -> None:
    turns = Turns(["mtn"], 0.01, clock)
    turns.begin()
    turns.looked("mtn", Looked(short=True), rated=True)
    turns.ring({"mtn"})
    assert next_turn(turns, clock) == (0.01, ["mtn"])


def test_without_lanes_it_waits_for_the_interval(clock: Clock) -> None:
    turns = Turns([], INTERVAL_S, clock)
    turns.ring({"mtn"})
    assert (turns.begin(), turns.wait_s) == ([], INTERVAL_S)
