"""The database that a test gets is as the migrations left it, whatever the test before did to it."""

from tests.support.flow import World, running_world

_UNTOLD = "SELECT count(*) FROM outbox"


def test_what_a_test_switched_off_is_on_again_in_the_next_one(world: World) -> None:
    world.execute("ALTER TABLE events DISABLE TRIGGER put_in_outbox")
    world.pay("safe")
    assert world.value(_UNTOLD) == 0
    with running_world(world.url) as after:
        after.pay("safe")
        assert after.value(_UNTOLD) == 1
