"""A receipt or message of which nothing was asked for waits; only what may have been asked for is a person's."""

import pytest

from shared.follow_ups import ask as notify_module
from shared.follow_ups.ask import follow_up
from shared.providers.base import Auth
from shared.runtime import boot_time_s
from tests.support.cut import way_of
from tests.support.flow import LOOK, OK, World

WANTED = {"register": "", "email": "a@example.com"}
BEGIN = "unasked = false"


class Died(BaseException):
    """Ends a process on this line, like a kill."""


def dispatched(world: World) -> int:
    world.settled("safe", OK, receipt=WANTED)
    (follow_up_id,) = world.dispatched()
    return follow_up_id


def state(world: World) -> str:
    return str(world.value("SELECT state FROM follow_ups"))


def told(world: World) -> list[str]:
    return [row["type"] for row in world.rows("SELECT type FROM events WHERE type LIKE '%%receipt%%' ORDER BY id")]


def issued_once(world: World) -> None:
    world.advance(61)
    world.run()
    assert (state(world), len(world.safe.receipts_sent)) == ("issued", 1)
    assert told(world) == ["settlepipe.receipt.issued"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_one_whose_database_went_away_while_it_was_built_waits(world: World, when: str) -> None:
    follow_up_id = dispatched(world)
    with way_of(world) as way:
        way.cut(BEGIN, when)  # type: ignore[arg-type]
        follow_up(world.runtime, follow_up_id)
        assert way.cuts == 1
    assert state(world) == "waiting"
    issued_once(world)


@pytest.mark.parametrize("error", [ZeroDivisionError(), Died()])
@pytest.mark.parametrize("where", ["builds", "auths"])
def test_one_whose_process_failed_or_died_before_it_asked_waits(world: World, where: str, error: BaseException) -> None:
    follow_up_id = dispatched(world)
    getattr(world.safe, where).append(error)
    if isinstance(error, Died):
        with pytest.raises(Died):
            follow_up(world.runtime, follow_up_id)
    else:
        follow_up(world.runtime, follow_up_id)
        assert state(world) == "waiting"
    issued_once(world)


def test_one_whose_process_froze_while_it_was_built_waits(world: World) -> None:
    """Its lease has run out when it wakes: it doesn't ask."""
    follow_up_id = dispatched(world)

    def frozen() -> Auth:
        world.advance(61)
        world.batches()
        assert state(world) in ("waiting", "dispatched")
        return Auth()

    world.safe.auths.append(frozen)
    follow_up(world.runtime, follow_up_id)
    assert world.safe.receipts_sent == []
    issued_once(world)


def test_one_whose_process_froze_just_before_it_asked_waits_when_it_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow_up_id = dispatched(world)
    times = iter([0.0])

    def wakes() -> float:
        for begun in times:
            return begun
        world.advance(61)
        world.batches()
        assert state(world) == "parked"  # nobody could know
        return boot_time_s() + 100

    monkeypatch.setattr(notify_module, "boot_time_s", wakes)
    follow_up(world.runtime, follow_up_id)
    assert (state(world), world.safe.receipts_sent) == ("waiting", [])
    world.advance(10)
    monkeypatch.undo()
    world.run()
    assert (state(world), len(world.safe.receipts_sent)) == ("issued", 1)


def test_one_that_may_have_been_asked_for_is_a_persons_however_the_process_ended(world: World) -> None:
    follow_up_id = dispatched(world)
    world.safe.receipts.append(Died())
    with pytest.raises(Died):
        follow_up(world.runtime, follow_up_id)
    world.advance(61)
    world.run()
    assert (state(world), told(world)) == ("parked", ["settlepipe.receipt.parked"])


@pytest.mark.parametrize("answer", [OK, LOOK])
def test_its_outcome_is_written_when_postgresql_answers_again(world: World, answer: object) -> None:
    follow_up_id = dispatched(world)
    world.safe.receipts.append(answer)
    with way_of(world) as way:
        way.cut("WITH stands", "after")
        way.cut("WITH stands", "before", times=2)
        follow_up(world.runtime, follow_up_id)
        assert way.cuts == 3
    assert state(world) == ("issued" if answer is OK else "parked")
    assert len(told(world)) == 1


def test_a_second_try_that_dies_before_it_asked_waits_too(world: World) -> None:
    """What was kept for the first try says nothing of the second."""
    follow_up_id = dispatched(world)
    monkey = [Died()]
    with way_of(world) as way:
        way.cut(BEGIN, "after")
        follow_up(world.runtime, follow_up_id)
    world.advance(10)
    assert world.dispatched() == [follow_up_id]
    world.safe.auths.extend(monkey)
    with pytest.raises(Died):
        follow_up(world.runtime, follow_up_id)
    issued_once(world)
