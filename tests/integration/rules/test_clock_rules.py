"""The database's clock runs ahead for a moment, by weeks, and is right again: nothing stands still until it comes.

A clock that goes back for a moment makes waits shorter, and decides nothing about money.
"""

from typing import Any

import pytest

from shared import lanes
from shared.database.tokens import StoredTokens
from shared.directory.store import lists
from tests.support.flow import AGAIN, LOOK, OK, TOO_MANY, UNCLEAR, World
from tests.support.lone import KEY

WEEKS_S = 40 * 86_400.0


def ahead(world: World, *steps: Any) -> None:
    """Do this while the clock is wrong."""
    world.advance(WEEKS_S)
    try:
        for step in steps:
            step()
    finally:
        world.advance(-WEEKS_S)


def test_a_payment_that_was_accepted_while_the_clock_was_ahead_goes_out(world: World) -> None:
    found: list[int] = []
    ahead(world, lambda: found.append(world.pay()))
    world.run()
    assert [world.state(payment_id) for payment_id in found] == ["succeeded"]


@pytest.mark.parametrize("answer", [AGAIN, TOO_MANY])
def test_a_payment_that_waits_since_then_is_sent(world: World, answer: object) -> None:
    payment_id = world.pay()
    world.safe.answers.append(answer)
    ahead(world, world.run)
    world.safe.answers.append(OK)
    world.advance(1)
    world.run()
    assert world.state(payment_id) == "succeeded"


def test_a_payment_whose_message_was_lost_then_is_dispatched_again(world: World) -> None:
    payment_id = world.pay()
    ahead(world, world.dispatched)
    assert world.dispatched() == [payment_id]


def test_a_payment_whose_worker_died_then_is_taken_back_after_its_lease(world: World) -> None:
    payment_id = world.pay()
    world.dispatched()
    world.execute("UPDATE payments SET state = 'sending', attempts = 1, due_at = clock() + interval '40 days'")
    world.dispatched()
    assert world.state(payment_id) == "sending", "its lease begins anew: somebody may be sending"
    world.advance(world.runtime.settings.lease_s + 1)
    world.dispatched()
    assert world.state(payment_id) == "waiting"


def test_an_unknown_payment_is_looked_up_but_not_believed_to_be_absent(world: World) -> None:
    payment_id = world.pay("careful")
    world.careful.answers.append(LOOK)
    ahead(world, lambda: world.run("careful"))
    world.careful.verdicts.extend([UNCLEAR] * 9)
    for _ in range(8):
        world.run("careful")
        world.advance(30_000)
    assert world.state(payment_id) == "parked", "a person's in hours, not after weeks"
    assert len(world.careful.sent) == 1


def test_a_lane_that_stopped_or_spent_its_rate_then_goes_on(world: World) -> None:
    payment_id = world.pay()
    ahead(
        world,
        lambda: world.execute(
            """UPDATE lanes SET open_until = clock() + interval '30 s', failures = 9, rate_at = clock(),
            rate_tokens = 0 WHERE provider = 'safe'"""
        ),
    )
    world.dispatched()
    with world.runtime.database.connection() as connection:
        assert lanes.take(connection, "safe", 5).wait_s <= 31
    world.advance(31)
    world.run()
    assert world.state(payment_id) == "succeeded"
    assert world.lane("safe")["running"]
    with world.runtime.database.connection() as connection:
        world.advance(1)
        assert lanes.take(connection, "safe", 5).wait_s == 0


def test_a_halted_lane_probes(world: World) -> None:
    payment_id = world.pay()
    ahead(
        world,
        lambda: world.execute(
            """UPDATE lanes SET halted_at = clock(), halted_reason = 'made up',
            probe_at = clock() + interval '60 s' WHERE provider = 'safe'"""
        ),
    )
    assert world.dispatched() == []
    world.advance(61)
    assert world.dispatched() == [payment_id]


def test_a_list_is_refreshed_though_its_lease_or_its_date_lies_ahead(world: World) -> None:
    given = ("safe", "accounts", 120.0, 3600.0)
    with world.runtime.database.connection() as connection:
        ahead(world, lambda: lists.lease_refresh(connection, *given))
        assert lists.lease_refresh(connection, *given)
        assert not lists.lease_refresh(connection, *given), "it is leased now"
        world.advance(121)
        ahead(world, lambda: world.execute("UPDATE directory_lists SET fetched_at = clock()"))
        assert lists.lease_refresh(connection, *given)


def test_a_token_that_was_saved_then_has_no_age_below_nothing(world: World) -> None:
    tokens = StoredTokens(world.runtime.database, [KEY])
    ahead(world, lambda: tokens.save("safe", {"access": "made-up"}, False))
    kept = tokens.read("safe")
    assert kept is not None
    assert kept.age_s == 0


def test_a_clock_that_goes_back_for_a_moment_believes_no_absence_before_the_window(world: World) -> None:
    payment_id = world.pay("careful")
    world.careful.answers.append(LOOK)
    world.run("careful")
    before = world.rows("SELECT ended_at, lease_until FROM attempts")
    deadline = world.payment(payment_id)["deadline"]
    world.advance(-WEEKS_S)
    world.dispatched("careful")
    world.advance(WEEKS_S)
    world.dispatched("careful")
    assert world.rows("SELECT ended_at, lease_until FROM attempts") == before, "the settle window is counted from it"
    assert (world.state(payment_id), world.payment(payment_id)["deadline"]) == ("unknown", deadline)
