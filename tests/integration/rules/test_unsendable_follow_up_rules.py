"""Follow-ups that no lane takes don't wait for ever without a word."""

import pytest

from shared import lanes
from shared.follow_ups.ask import end_unsendable
from shared.settings.sections import UbillSettings
from tests.support.archived import DAY_S, KEEP_S, relayed, years_later
from tests.support.flow import OK, World, running_world

OFF = {"ubill": UbillSettings()}


def sms(world: World) -> tuple[str, str | None]:
    (row,) = world.rows("SELECT state, detail FROM follow_ups")
    return row["state"], row["detail"]


def told(world: World) -> list[str]:
    return [row["type"] for row in world.rows("SELECT type FROM events WHERE type NOT LIKE '%%payment%%' ORDER BY id")]


def test_a_message_waits_a_day_for_ubill_to_be_switched_on_and_is_refused_then(rules_url: str) -> None:
    with running_world(rules_url, **OFF) as world:
        world.settled("safe", OK, notify={"sms": "995500000001"})
        world.advance(DAY_S - 60)
        end_unsendable(world.runtime)
        assert (sms(world), told(world)) == (("waiting", None), [])
        world.advance(120)
        end_unsendable(world.runtime)
        end_unsendable(world.runtime)
        assert sms(world) == ("refused", "it is too old to be sent: ubill is off, or its lane stood still")
        assert told(world) == ["settlepipe.sms.refused"]
        relayed(world)
        assert years_later(world, KEEP_S) == 1  # nothing keeps it out of the archive


@pytest.mark.parametrize(("state", "after"), [("dispatched", "refused"), ("sending", "parked")])
def test_what_was_under_way_when_ubill_was_switched_off_comes_to_an_end(rules_url: str, state: str, after: str) -> None:
    with running_world(rules_url, **OFF) as world:
        world.settled("safe", OK, notify={"sms": "995500000001"})
        world.execute("UPDATE follow_ups SET state = %s, due_at = clock() + interval '2 days'", state)
        world.advance(DAY_S + 60)
        end_unsendable(world.runtime)
        assert (sms(world)[0], told(world)) == (state, [])  # its lease has not run out
        world.advance(DAY_S)
        end_unsendable(world.runtime)
        assert (sms(world)[0], told(world)) == (after, [f"settlepipe.sms.{after}"])


def test_a_message_in_a_lane_that_stands_still_is_refused_when_it_is_too_old(world: World) -> None:
    """A paused lane takes none, not even to probe."""
    world.settled("safe", OK, notify={"sms": "995500000001"})
    with world.runtime.database.connection() as connection:
        lanes.pause(connection, "ubill", "ann")
    world.advance(DAY_S - 60)
    assert world.run("ubill") == []
    end_unsendable(world.runtime)
    assert (sms(world)[0], told(world)) == ("waiting", [])
    world.advance(120)
    assert world.run("ubill") == []
    end_unsendable(world.runtime)
    assert (sms(world)[0], told(world)) == ("refused", ["settlepipe.sms.refused"])


def test_a_message_that_is_not_too_old_and_a_receipt_of_any_age_are_left_alone(world: World) -> None:
    world.settled("safe", OK, receipt={"register": ""})
    world.advance(3 * DAY_S)
    world.settled("careful", OK, notify={"sms": "995500000001"})
    end_unsendable(world.runtime)
    assert [row["state"] for row in world.rows("SELECT state FROM follow_ups")] == ["waiting", "waiting"]


def test_a_receipt_waits_for_its_provider(rules_url: str) -> None:
    with running_world(rules_url, **OFF) as world:
        world.settled("safe", OK, receipt={"register": ""})
        world.execute("UPDATE follow_ups SET provider = 'ubill'")
        world.advance(3 * DAY_S)
        end_unsendable(world.runtime)
        assert (sms(world), told(world)) == (("waiting", None), [])
