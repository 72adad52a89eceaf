"""Each rule of the model of all states is the database's: the same payment, under the same event, becomes the same."""

from collections.abc import Sequence

from tests.support.flow import World
from tests.support.model.abstract import Abstract, Event
from tests.support.model.every import pairs
from tests.support.model.written import WRITTEN, befall, read, told, write

_AT_ONCE = 2000


def differences(world: World, found: Sequence[tuple[Abstract, Event, Abstract]]) -> list[str]:
    """Where the database's payment became another one than the model's."""
    different = []
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        cases = [(start + place + 1, payment, event) for place, (payment, event, _) in enumerate(some)]
        write(world, cases)
        befall(world, cases)
        became = read(world)
        for (payment_id, payment, event), (_, _, after) in zip(cases, some, strict=True):
            if became[payment_id] != told(after):
                different.append(f"{event}\nof     {payment}\nmodel  {told(after)}\nfound  {became[payment_id]}")
        for table in ("outbox", "events", "follow_ups", "checks", "resolutions", "attempts", "payments", "intent_keys"):
            world.execute(f"DELETE FROM {table}")
    return different


def test_the_database_does_what_the_model_says_in_every_state(world: World) -> None:
    # Of all that one attempt comes to half, and some of two, a lost time being one; tests/proof tries all of it.
    one, two = pairs(1), pairs(2)
    some = [case for case in one if not case[0].lost][::2], [case for case in two if case[0].lost][::16], two[::160]
    found = [case for cases in some for case in cases if case[1].what in WRITTEN]
    assert len(found) > 2000
    assert {event.what for _, event, _ in found} == WRITTEN
    different = differences(world, found)
    assert not different, f"{len(different)} of {len(found)} differ:\n" + "\n".join(different[:5])
