"""What happens while a batch is on its way: the database falls back, a person asks for something."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.database import leases, locks
from shared.database.engine import Connection
from shared.database.leases import LeaseLost
from shared.database.statements import statements
from shared.database.store import HeldError
from shared.webhooks import deliver, keep, views
from shared.webhooks.store import keep as store
from tests.support.flow import World
from tests.support.hooked import Hooked
from tests.support.receiver import Answer, Got, Receiver, receiving, waited

pytestmark = pytest.mark.made_up_rows

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def hooked(world: World) -> Hooked:
    return Hooked(world)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def once(do: Callable[[], object], status: int = 200) -> Answer:
    """The first request has this done before it is answered with `status`; all later ones get 200."""
    asked: list[Got] = []

    def answer(got: Got) -> tuple[int, dict[str, str]]:
        asked.append(got)
        if len(asked) > 1:
            return 200, {}
        do()
        return status, {}

    return answer


def asked_by_a_person(world: World, what: Callable[[Connection], object]) -> Callable[[], object]:
    def do() -> object:
        with world.runtime.database.transaction() as connection:
            return what(connection)

    return do


def test_a_database_that_falls_back_between_an_answer_and_the_note_keeps_its_own_position(
    hooked: Hooked, receiver: Receiver, world: World
) -> None:
    """A fail-over to a standby that was behind: it knows the lease, and not the events that were read."""
    number = hooked.hook(receiver)
    hooked.tell("a")
    hooked.deliver()
    (before,) = (hooked.row(number)["position"],)
    hooked.tell("b", "c")

    def falls_back() -> None:
        world.execute("DELETE FROM events WHERE id > %s", before)
        world.execute("SELECT setval(pg_get_serial_sequence('events', 'id'), %s)", before)
        world.execute("UPDATE store SET beat = beat - 1")

    receiver.answer = once(falls_back)
    mine = hooked.deliverer()
    world.execute("UPDATE store SET beat = beat + 2")
    with pytest.raises(HeldError):
        hooked.deliver(deliverer=mine)
    assert hooked.row(number)["position"] == before
    world.execute("UPDATE store SET epoch = epoch + 1, beat = beat + 2")  # as a recovery does
    names = hooked.tell("d", "e")
    receiver.taken.clear()
    hooked.deliver(deliverer=mine)
    assert sorted(receiver.ids()) == names, "under the numbers of events that were lost"


def test_a_replay_comes_before_what_waits_of_the_same_payment(hooked: Hooked, receiver: Receiver, world: World) -> None:
    number = hooked.hook(receiver)
    receiver.answer = lambda got: (500 if got.event_id == "a-2" else 200, {})
    since = world.value("SELECT clock()")
    hooked.tell("a", "a", "a")
    hooked.deliver()
    assert hooked.waiting() == [("a-2", 1), ("a-3", 0)]
    hooked.advance(HOUR)
    receiver.answer = lambda _: (200, {})
    receiver.taken.clear()
    with world.runtime.database.transaction() as connection:
        keep.replay(connection, number, since, None, by="Ann")
    hooked.deliver()
    assert receiver.ids() == ["a-1", "a-2", "a-3"]


def test_a_replay_that_is_widened_while_its_last_batch_is_on_its_way_goes_on(
    hooked: Hooked, receiver: Receiver, world: World
) -> None:
    number = hooked.hook(receiver)
    since = world.value("SELECT clock()")
    hooked.tell("a", "b")
    hooked.advance(1)
    until = world.value("SELECT clock()")
    hooked.advance(1)
    later = hooked.tell("c", "d")
    hooked.deliver()
    receiver.taken.clear()
    with world.runtime.database.transaction() as connection:
        assert keep.replay(connection, number, since, until, by="Ann") == 2
    receiver.answer = once(
        asked_by_a_person(world, lambda connection: keep.replay(connection, number, until, None, by="Bob"))
    )
    hooked.deliver()
    hooked.deliver()
    assert sorted(receiver.ids()[2:]) == later
    assert (hooked.row(number)["replay_next"], hooked.row(number)["replay_last"]) == (None, None)


def test_what_is_left_out_while_it_is_tried_stays_left_out(hooked: Hooked, receiver: Receiver, world: World) -> None:
    number = hooked.hook(receiver)
    receiver.answer = lambda _: (400, {})
    hooked.tell("bad")
    hooked.deliver()
    assert hooked.waiting() == [("bad-1", 1)]
    hooked.advance(HOUR)
    skip = asked_by_a_person(world, lambda connection: keep.enable(connection, number, skip=True, by="Ann"))
    receiver.answer = once(skip, status=400)
    hooked.deliver()
    assert hooked.waiting() == []


def test_who_is_enabled_while_it_is_asked_goes_on_at_once(hooked: Hooked, receiver: Receiver, world: World) -> None:
    number = hooked.hook(receiver)
    receiver.answer = lambda _: (500, {})
    names = hooked.tell("a", "b", "c", "d")
    for _ in range(20):
        hooked.deliver()
        hooked.advance(HOUR)
    enable = asked_by_a_person(world, lambda connection: keep.enable(connection, number, skip=False, by="Ann"))
    receiver.answer = once(enable, status=500)
    receiver.taken.clear()
    hooked.deliver()
    hooked.advance(10)
    hooked.deliver()
    assert sorted(receiver.ids()) == names


def test_a_secret_that_cannot_be_read_is_said_also_where_the_first_that_waits_is_archived(
    hooked: Hooked, receiver: Receiver, world: World
) -> None:
    number = hooked.hook(receiver)
    receiver.answer = lambda _: (400, {})
    hooked.tell("a", "b")
    hooked.deliver()
    world.execute("DELETE FROM events WHERE event_id = 'a-1'")
    hooked.advance(HOUR)
    hooked.vault = Hooked(hooked.world).vault
    hooked.deliver()
    assert "SETTLEPIPE_SECRET_KEYS" in str(hooked.row(number)["failure"])


def test_who_is_told_to_stop_before_a_probe_puts_it_off_for_nobody(hooked: Hooked, receiver: Receiver) -> None:
    number = hooked.hook(receiver)
    receiver.answer = lambda _: (500, {})
    hooked.tell("a", "b", "c", "d")
    for _ in range(10):
        hooked.deliver()
        hooked.advance(HOUR)
    asked, stops = len(receiver.got), iter([False, *[True] * 9])
    mine = hooked.deliverer()
    assert mine.due() == [number]
    mine.turn(number, lambda: next(stops))
    assert len(receiver.got) == asked
    assert mine.due() == [number], "nobody was asked: it is due yet"


def test_what_fails_together_is_one_step_and_not_an_hour(hooked: Hooked, receiver: Receiver) -> None:
    together = 16
    hooked.settings = hooked.settings.model_copy(update={"concurrency": together, "senders": together})
    number = hooked.hook(receiver)
    all_are_there = threading.Barrier(together)

    def answer(_: Got) -> tuple[int, dict[str, str]]:
        all_are_there.wait()
        return 502, {}

    receiver.answer = answer
    hooked.tell(*(f"p{n}" for n in range(together)))
    hooked.deliver()
    assert (len(receiver.got), hooked.row(number)["failures"]) == (together, 3)
    receiver.answer = lambda _: (200, {})
    hooked.advance(hooked.settings.base_s)
    while hooked.deliver():
        pass
    assert len(receiver.taken) == together


def test_an_event_that_is_nobodys_to_get_is_not_late(hooked: Hooked, receiver: Receiver, world: World) -> None:
    """A source may be called as a provider is."""
    hooked.hook(receiver)
    hooked.tell("salaries", told="settlepipe.account.changed")
    hooked.deliver()
    hooked.advance(HOUR)
    with world.runtime.database.connection() as connection:
        (one,) = views.standing(connection)
    assert (receiver.got, one.oldest_s) == ([], 0)


def test_nobody_waits_while_the_events_of_a_time_are_looked_for(
    hooked: Hooked, receiver: Receiver, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = hooked.hook(receiver)
    hooked.tell("a")
    real, since = store.between, world.value("SELECT clock()")

    def between(*given: Any) -> tuple[int, int] | None:
        world.execute("SELECT FROM webhooks WHERE id = %s FOR UPDATE NOWAIT", number)
        return real(*given)

    monkeypatch.setattr(store, "between", between)
    with world.runtime.database.transaction() as connection:
        keep.replay(connection, number, since, None, by="Ann")


def test_a_machine_that_was_suspended_sends_nothing_more_in_this_turn(
    hooked: Hooked, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked.hook(receiver)
    hooked.tell("a", "a")
    receiver.answer = once(lambda: monkeypatch.setattr(deliver, "now_s", lambda: time.monotonic() + 1e9))
    hooked.deliver()
    assert receiver.ids() == ["a-1"]
    hooked.deliver()
    assert receiver.ids() == ["a-1", "a-2"]


def test_who_learns_that_another_one_has_the_lease_sends_nothing_more(
    hooked: Hooked, receiver: Receiver, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked.settings = hooked.settings.model_copy(update={"timeout_s": 60.0})
    monkeypatch.setattr(leases, "LENGTH_S", 0.4)
    monkeypatch.setattr(deliver, "_USED_UP", 1e9)  # by its own clock the lease is young
    number = hooked.hook(receiver)
    hooked.tell("a", "a")

    def taken() -> None:
        world.execute("UPDATE leases SET until = clock()")
        with world.runtime.database.connection() as connection:
            assert leases.take(connection, locks.webhook(number), 60.0) is not None
        keeper = f"keeps-{locks.webhook(number).name}"
        waited(lambda: keeper not in {thread.name for thread in threading.enumerate()})

    receiver.answer = once(taken)
    with pytest.raises(LeaseLost):
        hooked.deliver()
    assert receiver.ids() == ["a-1"]


def test_the_events_of_a_time_are_found_without_going_past_all_others(world: World) -> None:
    world.execute(
        """INSERT INTO events (event_id, type, subject, data, created_at)
        SELECT 'e' || n, 'settlepipe.payment.accepted', 'shop/' || n, '{}',
            clock() - make_interval(mins => 20000 - n)
        FROM generate_series(1, 20000) AS n"""
    )
    world.execute("VACUUM ANALYZE events")
    since, until = world.rows("SELECT clock() - interval '1 hour' AS since, clock() AS until")[0].values()
    statement = statements(store.__file__)["range"]
    plan = world.rows(f"EXPLAIN {statement.replace('%(since)s', '%s').replace('%(until)s', '%s')}", since, until)
    assert not any("events_pkey" in line["QUERY PLAN"] for line in plan)
    with world.runtime.database.connection() as connection:
        first, last = store.between(connection, since, until) or (0, 0)
    assert last - first == pytest.approx(60, abs=2)
