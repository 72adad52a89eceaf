"""What a lane lets a read of the books do."""

import pytest

from shared import lanes
from shared.settings.sections import ProviderSettings
from tests.support.flow import World, running_world, together

RATE = 40.0  # the bucket holds five tokens, and a new one comes each 28 ms


@pytest.fixture(autouse=True)
def _held(world: World) -> None:
    """No step of a busy machine is quicker than a token comes."""
    world.hold_clock()


def take(world: World, rate_per_s: float | None = RATE) -> tuple[float, str | None]:
    with world.runtime.database.connection() as connection:
        allowance = lanes.take(connection, "safe", rate_per_s)
    return round(allowance.wait_s, 2), allowance.stopped


def test_reads_use_up_the_lanes_rate_and_then_wait_for_the_next_token(world: World) -> None:
    world.execute("UPDATE lanes SET rate_tokens = 2, rate_at = clock() WHERE provider = 'safe'")
    assert [take(world)[0] for _ in range(2)] == [0, 0]
    wait_s, stopped = take(world)
    assert wait_s == 0.03
    assert stopped is None
    world.advance(0.03)
    assert take(world)[0] == 0


def test_an_idle_lane_gathers_some_of_a_seconds_tokens_and_one(world: World) -> None:
    world.advance(3600)
    assert [take(world)[0] for _ in range(4)] == [0, 0, 0, 0]
    assert take(world)[0] > 0


@pytest.mark.parametrize("rate_per_s", [0.4, 1, 2, 3, 7, 10, 11, 40, 250])
@pytest.mark.parametrize("pace_s", [0.05, 0.1])
def test_in_no_second_more_than_the_rate_is_let_through(world: World, rate_per_s: float, pace_s: float) -> None:
    """After a silence and ever after; and with looks as often as a dispatcher makes them, little less."""
    world.execute("UPDATE lanes SET rate_tokens = 1000000, rate_at = clock() WHERE provider = 'safe'")
    let_through: list[int] = []
    for _ in range(round(6 / pace_s)):
        with world.runtime.database.transaction() as connection:
            lane = lanes.lock(connection, "safe", rate_per_s)
            assert lane is not None
            let_through.append(int(lane.rate_tokens))
            lanes.spend(connection, lane, let_through[-1])
        world.advance(pace_s)
    # With both ends: what goes out when the second is over may be on the wire some milliseconds shorter than the first.
    looks = round(1 / pace_s) + 1
    seconds = [sum(let_through[begin : begin + looks]) for begin in range(len(let_through) - looks + 1)]
    assert max(seconds) <= max(1, rate_per_s)
    assert sum(let_through) >= 6 * (0.85 if pace_s < 0.1 else 0.8) * rate_per_s


def test_what_reads_took_payments_do_not_get(rules_url: str) -> None:
    with running_world(rules_url, safe=ProviderSettings(base_url="http://127.0.0.1:1", rate_per_s=RATE)) as world:
        world.hold_clock()
        for _ in range(5):
            world.pay()
        world.execute("UPDATE lanes SET rate_tokens = 4, rate_at = clock() WHERE provider = 'safe'")
        for _ in range(3):
            assert take(world) == (0, None)
        assert len(world.dispatched()) == 1


def test_a_lane_without_a_rate_lets_every_read_through(world: World) -> None:
    assert [take(world, None) for _ in range(10)] == [(0, None)] * 10


def test_readers_at_the_same_time_share_the_tokens(world: World) -> None:
    world.execute("UPDATE lanes SET rate_tokens = 3, rate_at = clock() + interval '1 hour' WHERE provider = 'safe'")
    taken = together(*[lambda: take(world)] * 6)
    assert sorted(wait_s == 0 for wait_s, _ in taken) == [False] * 3 + [True] * 3


def test_a_halted_and_a_paused_lane_stop_reads_and_keep_their_tokens(world: World) -> None:
    world.advance(3600)
    with world.runtime.database.connection() as connection:
        lanes.halt(connection, "safe", "made-up reason")
    assert take(world)[1] == take(world, None)[1] == "the lane is halted: made-up reason"
    with world.runtime.database.connection() as connection:
        lanes.pause(connection, "safe", "Ann")
    assert take(world)[1] == "the lane is paused by Ann"
    assert world.value("SELECT rate_tokens FROM lanes WHERE provider = 'safe'") == 0


def test_an_open_breaker_is_waited_for_and_then_lets_reads_through_by_itself(world: World) -> None:
    world.execute("UPDATE lanes SET open_until = clock() + interval '30 s' WHERE provider = 'safe'")
    world.advance(10)
    for rate in (RATE, None):
        wait_s, stopped = take(world, rate)
        assert 19 < wait_s <= 20
        assert stopped is None
    world.advance(21)
    assert take(world) == take(world, None) == (0, None)
    assert not world.lane("safe")["running"]  # only a payment closes it


def test_a_provider_without_a_lane_is_not_read(world: World) -> None:
    with world.runtime.database.connection() as connection:
        assert lanes.take(connection, "made-up", RATE).stopped == "made-up has no lane"
