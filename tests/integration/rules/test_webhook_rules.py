"""Events to webhooks: each at least once, signed, in order for each payment; what fails holds up its payment alone."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from shared.database import leases, locks
from shared.database.leases import LeaseLost
from shared.database.store import HeldError
from shared.recovery import beat
from shared.webhooks import deliver, keep, views
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


def refusing(*names: str, status: int = 400) -> Answer:
    """Answers 400 to events whose ids begin with one of these."""

    def answer(got: Got) -> tuple[int, dict[str, str]]:
        return (status if got.event_id.startswith(names) else 200), {}

    return answer


def test_events_of_the_source_come_signed_in_order_with_their_own_ids(hooked: Hooked, receiver: Receiver) -> None:
    number = hooked.hook(receiver)
    mine = hooked.tell("a", "b", "a", "c", "a")
    hooked.tell("other/x", "shopping/y")
    everybodys = hooked.tell("-", told="settlepipe.store.recovered")
    assert hooked.deliver() == 6
    assert sorted(receiver.ids()) == sorted(mine + everybodys)
    assert [name for name in receiver.ids() if name.startswith("a")] == ["a-1", "a-2", "a-3"]
    first = next(got for got in receiver.taken if got.event_id == "a-1")
    assert (first.event["id"], first.event["specversion"], first.subject) == ("a-1", "1.0", "shop/a")
    assert first.headers["content-type"] == "application/json"
    assert (receiver.refused, hooked.waiting(), hooked.deliver()) == (0, [], 0)
    assert (hooked.row(number)["delivered"], hooked.row(number)["failures"]) == (6, 0)


def test_what_the_relay_has_not_carried_is_not_told(hooked: Hooked, receiver: Receiver, world: World) -> None:
    hooked.hook(receiver)
    (name,) = hooked.tell("a")
    world.execute("INSERT INTO outbox SELECT id FROM events")
    assert hooked.deliver() == 0
    world.execute("DELETE FROM outbox")
    hooked.deliver()
    assert receiver.ids() == [name]


def test_an_event_that_is_refused_holds_up_its_own_payment_alone(hooked: Hooked, receiver: Receiver) -> None:
    number = hooked.hook(receiver)
    receiver.answer = refusing("bad-1")
    hooked.tell("a", "bad", "b", "bad", "c")
    hooked.deliver()
    assert sorted(receiver.ids()) == ["a-1", "b-1", "c-1"]
    assert hooked.waiting() == [("bad-1", 1), ("bad-2", 0)]
    hooked.tell("bad", "d")
    assert hooked.deliver() == 1, "only the other payment's: it is not its turn yet"
    assert hooked.waiting() == [("bad-1", 1), ("bad-2", 0), ("bad-3", 0)]
    for _ in range(6):
        hooked.advance(HOUR)
        hooked.deliver()
    assert hooked.waiting()[0] == ("bad-1", 7)
    assert hooked.tell("e")
    assert hooked.deliver() == 1, "however often it is refused, others go on at once"
    receiver.answer = refusing("nothing")
    hooked.advance(HOUR)
    hooked.deliver()
    assert receiver.ids()[-3:] == ["bad-1", "bad-2", "bad-3"]
    assert (hooked.waiting(), hooked.row(number)["failures"]) == ([], 0)


def test_a_receiver_that_is_away_is_asked_less_and_less_and_gets_all_once_it_is_back(
    hooked: Hooked, receiver: Receiver
) -> None:
    number = hooked.hook(receiver)
    receiver.answer = lambda _: (502, {})
    names = [name for n in range(40) for name in hooked.tell(f"p{n % 20}")]
    hooked.deliver()
    asked = len(receiver.got)
    assert 3 <= asked <= 2 + hooked.settings.concurrency, "not each event once"
    assert hooked.deliver() == 0, "all of it waits"
    assert len(receiver.got) == asked
    for n in range(30):
        hooked.advance(HOUR)
        hooked.deliver()
        assert len(receiver.got) == asked + n + 1, "one event, to see whether it is back"
    assert len(hooked.waiting()) <= 40
    receiver.answer = lambda _: (200, {})
    receiver.got.clear()
    hooked.advance(HOUR)
    while hooked.deliver():
        pass
    assert sorted(receiver.ids()) == sorted(names)
    assert len(receiver.got) == 40, "each once"
    for n in range(20):
        assert [name for name in receiver.ids() if name.startswith(f"p{n}-")] == [f"p{n}-1", f"p{n}-2"]
    assert hooked.row(number)["failures"] == 0


def test_three_that_are_refused_in_a_row_do_not_stop_what_is_new_for_long(hooked: Hooked, receiver: Receiver) -> None:
    hooked.hook(receiver)
    receiver.answer = refusing("bad")
    for n in range(5):
        hooked.tell(f"bad{n}")
        hooked.advance(60)
        hooked.deliver()
    hooked.tell("good")
    hooked.advance(60)
    hooked.deliver()
    assert receiver.ids() == ["good-1"], "a fresh event is what an ill receiver is asked with"


def test_so_much_is_put_aside_and_no_more(hooked: Hooked, receiver: Receiver) -> None:
    hooked.settings = hooked.settings.model_copy(update={"aside": 12, "batch": 10})
    hooked.hook(receiver)
    receiver.answer = lambda _: (500, {})
    for n in range(60):
        hooked.tell(f"p{n}")
    for _ in range(20):
        hooked.deliver()
        hooked.advance(HOUR)
    assert len(hooked.waiting()) == 12
    receiver.answer = lambda _: (200, {})
    while hooked.deliver():
        pass
    assert len(set(receiver.ids())) == 60


def test_after_three_days_it_is_disabled_and_nothing_is_lost_once_a_person_enables_it(
    hooked: Hooked, receiver: Receiver, world: World
) -> None:
    number = hooked.hook(receiver)
    receiver.answer = lambda _: (500, {})
    hooked.tell("a", "b")
    for _ in range(71):
        hooked.deliver()
        hooked.advance(HOUR)
    assert hooked.row(number)["disabled_at"] is None
    for _ in range(3):
        hooked.deliver()
        hooked.advance(HOUR)
    row = hooked.row(number)
    assert row["disabled_at"] is not None
    assert row["disabled_by"] is None
    assert "it answered 500" in str(row["disabled_because"])
    asked = len(receiver.got)
    hooked.tell("a", "c")
    hooked.advance(DAY)
    assert (hooked.deliver(), len(receiver.got)) == (0, asked)
    receiver.answer = lambda _: (200, {})
    with world.runtime.database.transaction() as connection:
        keep.enable(connection, number, skip=False, by="Ann")
    while hooked.deliver():
        pass
    assert sorted(receiver.ids()) == ["a-1", "a-2", "b-1", "c-1"]
    assert receiver.ids().index("a-1") < receiver.ids().index("a-2")


def test_what_was_refused_for_too_long_can_be_left_out(hooked: Hooked, receiver: Receiver, world: World) -> None:
    number = hooked.hook(receiver)
    receiver.answer = refusing("bad-1")
    hooked.tell("bad", "bad", "a")
    for _ in range(75):
        hooked.deliver()
        hooked.advance(HOUR)
    assert hooked.row(number)["disabled_at"] is not None
    with world.runtime.database.transaction() as connection:
        assert keep.enable(connection, number, skip=True, by="Ann") == ("shop", 1)
    hooked.deliver()
    assert receiver.ids() == ["a-1", "bad-2"]


def test_who_says_410_is_disabled_at_once(hooked: Hooked, receiver: Receiver) -> None:
    number = hooked.hook(receiver)
    receiver.answer = lambda _: (410, {})
    hooked.tell("a")
    hooked.deliver()
    assert "gone" in str(hooked.row(number)["disabled_because"])
    hooked.advance(DAY)
    assert (hooked.deliver(), len(receiver.got)) == (0, 1)


def test_who_asks_for_time_gets_it_within_a_bound(hooked: Hooked, receiver: Receiver) -> None:
    hooked.hook(receiver)
    hooked.tell("a", "b")
    receiver.answer = lambda _: (429, {"Retry-After": "600"})
    hooked.deliver()
    asked = len(receiver.got)
    hooked.advance(590)
    assert (hooked.deliver(), len(receiver.got)) == (0, asked)
    receiver.answer = lambda _: (503, {"Retry-After": "9999999"})
    hooked.advance(20)
    hooked.deliver()
    assert len(receiver.got) > asked
    asked = len(receiver.got)
    receiver.answer = lambda _: (200, {})
    hooked.advance(HOUR + 1)
    hooked.deliver()
    assert sorted(receiver.ids()) == ["a-1", "b-1"]


def test_who_asks_for_less_time_than_our_steps_is_asked_then_and_seems_never_ill(
    hooked: Hooked, receiver: Receiver, world: World
) -> None:
    number = hooked.hook(receiver)
    hooked.tell("a")
    receiver.answer = lambda _: (503, {"Retry-After": "2"})
    for asked in range(1, 8):  # by our own steps the last one would come after minutes
        hooked.deliver()
        assert (len(receiver.got), hooked.row(number)["failures"]) == (asked, 0)
        assert hooked.waiting() == [("a-1", 0)]
        hooked.advance(1.5)
        assert (hooked.deliver(), len(receiver.got)) == (0, asked)
        hooked.advance(0.6)
    receiver.answer = lambda _: (429, {"Retry-After": "0"})
    hooked.deliver()
    assert hooked.deliver() == 0
    assert len(receiver.got) == 8, "a second is the least"
    hooked.advance(3 * DAY)
    receiver.answer = lambda _: (429, {"Retry-After": "2"})
    hooked.deliver()
    assert "too long" in str(hooked.row(number)["disabled_because"]), "it counts to the three days"


def test_an_ill_receiver_that_asks_for_time_is_asked_then(hooked: Hooked, receiver: Receiver) -> None:
    number = hooked.hook(receiver)
    hooked.tell("a", "b", "c", "d")
    receiver.answer = refusing("")
    hooked.deliver()
    assert hooked.row(number)["failures"] == 3
    receiver.answer = lambda _: (429, {"Retry-After": "2"})
    hooked.advance(hooked.settings.base_s)
    hooked.deliver()
    asked = len(receiver.got)
    hooked.advance(2.1)
    receiver.answer = lambda _: (200, {})
    while hooked.deliver():
        pass
    assert len(receiver.got) == asked + 4
    assert sorted(receiver.ids()) == ["a-1", "b-1", "c-1", "d-1"]


def test_a_redirect_is_not_followed_and_told_as_one(hooked: Hooked, receiver: Receiver) -> None:
    number = hooked.hook(receiver)
    with receiving() as elsewhere:
        elsewhere.secrets = receiver.secrets
        receiver.answer = lambda _: (307, {"Location": elsewhere.url})
        hooked.tell("a")
        hooked.deliver()
        assert (elsewhere.connections, len(receiver.got)) == (0, 1)
    assert "redirect" in str(hooked.row(number)["failure"])


def test_a_range_is_delivered_again_before_what_is_new(hooked: Hooked, receiver: Receiver, world: World) -> None:
    number = hooked.hook(receiver)
    hooked.tell("a")
    hooked.advance(HOUR)
    since = world.value("SELECT clock()")
    hooked.advance(1)
    hooked.tell("b", "a", "b")
    hooked.advance(1)
    until = world.value("SELECT clock()")
    hooked.advance(HOUR)
    hooked.tell("c")
    hooked.deliver()
    receiver.taken.clear()
    hooked.tell("d")
    with world.runtime.database.transaction() as connection:
        assert keep.replay(connection, number, since, until, by="Ann") == 3
    hooked.deliver()
    assert sorted(receiver.ids()[:3]) == ["a-2", "b-1", "b-2"]
    assert receiver.ids().index("b-1") < receiver.ids().index("b-2")
    assert receiver.ids()[3:] == ["d-1"]
    assert (hooked.row(number)["replay_next"], hooked.deliver()) == (None, 0)


def test_during_an_overlap_both_secrets_sign_and_after_it_the_new_one_alone(
    hooked: Hooked, receiver: Receiver, world: World
) -> None:
    number = hooked.hook(receiver)
    with world.runtime.database.transaction() as connection:
        _, secret = keep.rotate(connection, hooked.vault, number, overlap_s=DAY, by="Ann")
    old = list(receiver.secrets)
    for secrets in (old, [secret]):
        receiver.secrets = secrets
        hooked.tell("a")
        assert hooked.deliver() == 1
    assert [got.signatures for got in receiver.taken] == [2, 2]
    hooked.advance(DAY + 1)
    hooked.tell("a")
    assert hooked.deliver() == 1
    assert receiver.taken[-1].signatures == 1
    receiver.secrets = old
    hooked.tell("b")
    assert (hooked.deliver(), receiver.refused) == (0, 1)


def test_a_secret_that_cannot_be_read_is_a_failure_that_is_said(hooked: Hooked, receiver: Receiver) -> None:
    number = hooked.hook(receiver)
    hooked.tell("a", "b")
    right, hooked.vault = hooked.vault, Hooked(hooked.world).vault
    hooked.deliver()
    assert "SETTLEPIPE_SECRET_KEYS" in str(hooked.row(number)["failure"])
    assert receiver.connections == 0
    hooked.vault = right
    hooked.advance(HOUR)
    hooked.deliver()
    assert sorted(receiver.ids()) == ["a-1", "b-1"]


def test_who_lost_the_lease_notes_nothing_and_the_next_one_sends_again(
    hooked: Hooked, receiver: Receiver, world: World
) -> None:
    """Frozen between the answer and the note: once in order, then once more by who has the lease now."""
    number = hooked.hook(receiver)
    hooked.tell("a", "b")

    def answer(_: Got) -> tuple[int, dict[str, str]]:
        world.execute("UPDATE leases SET until = clock() WHERE name = %s", locks.webhook(number).name)
        with world.runtime.database.connection() as connection:
            assert leases.take(connection, locks.webhook(number)) is not None or len(receiver.got) > 1
        return 200, {}

    receiver.answer = answer
    with pytest.raises(LeaseLost):
        hooked.deliver()
    assert (hooked.row(number)["delivered"], hooked.waiting()) == (0, [])
    world.execute("UPDATE leases SET until = clock()")
    receiver.answer = lambda _: (200, {})
    hooked.deliver()
    assert sorted(receiver.ids()) == ["a-1", "a-1", "b-1", "b-1"]


def test_two_processes_do_not_deliver_to_one_webhook_at_once(hooked: Hooked, receiver: Receiver) -> None:
    number = hooked.hook(receiver)
    hooked.tell("a")
    second = hooked.deliverer()

    def answer(_: Got) -> tuple[int, dict[str, str]]:
        assert second.turn(number, lambda: False) == 0
        return 200, {}

    receiver.answer = answer
    assert hooked.deliver() == 1
    assert len(receiver.got) == 1


def test_while_the_store_is_held_nothing_is_told(hooked: Hooked, receiver: Receiver, world: World) -> None:
    number = hooked.hook(receiver)
    hooked.tell("a")
    with world.runtime.database.connection() as connection:
        beat.hold(connection, "a made-up reason")
    with pytest.raises(HeldError):
        hooked.deliver()
    with pytest.raises(HeldError):  # held after it was looked what is due
        hooked.deliverer().turn(number, lambda: False)
    assert receiver.connections == 0


def test_an_event_that_went_to_the_archive_is_told_no_more(hooked: Hooked, receiver: Receiver, world: World) -> None:
    hooked.hook(receiver)
    receiver.answer = refusing("a")
    hooked.tell("a", "b", "a")
    hooked.deliver()
    assert hooked.waiting() == [("a-1", 1), ("a-2", 0)]
    world.execute("DELETE FROM events WHERE event_id = 'a-1'")
    receiver.answer = refusing("nothing")
    hooked.advance(HOUR)
    hooked.deliver()
    assert (receiver.ids(), hooked.waiting()) == (["b-1", "a-2"], [])
    assert world.value("SELECT count(*) FROM webhook_waiting") == 0


def test_a_webhook_that_is_removed_or_disabled_in_a_turn_gets_nothing_more(
    hooked: Hooked, receiver: Receiver, world: World
) -> None:
    hooked.settings = hooked.settings.model_copy(update={"batch": 1})
    first, second = hooked.hook(receiver), hooked.hook(receiver)
    hooked.tell("a", "b")

    def answer(_: Got) -> tuple[int, dict[str, str]]:
        with world.runtime.database.transaction() as connection:
            if len(receiver.got) == 1:
                keep.disable(connection, first, by="Ann", reason="moves")
            else:
                keep.remove(connection, second, by="Ann")
        return 200, {}

    receiver.answer = answer
    hooked.deliver()
    assert receiver.ids() == ["a-1", "a-1"]
    assert (hooked.row(first)["delivered"], world.value("SELECT count(*) FROM webhooks")) == (1, 1)
    with world.runtime.database.transaction() as connection:
        keep.enable(connection, first, skip=False, by="Ann")
    receiver.answer = lambda _: (200, {})
    hooked.deliver()
    assert receiver.ids()[2:] == ["b-1"], "what was taken was noted"


def test_a_webhook_that_is_disabled_stops_between_two_messages(
    hooked: Hooked, receiver: Receiver, world: World
) -> None:
    number = hooked.hook(receiver)
    deliverer = hooked.deliverer()
    hooked.tell(*"aaaaa")

    def answer(got: Got) -> tuple[int, dict[str, str]]:
        if got.event_id == "a-2":
            with world.runtime.database.transaction() as connection:
                keep.disable(connection, number, by="Ann", reason="moves")
        return 200, {}

    receiver.answer = answer
    assert deliverer.withdrawn([number]) == set()
    assert deliverer.turn(number, lambda: False, lambda: number in deliverer.withdrawn([number])) == 0
    assert receiver.ids() == ["a-1", "a-2"]
    assert hooked.row(number)["delivered"] == 2, "what was taken is noted"
    assert deliverer.withdrawn([number, 99]) == {number, 99}


def test_who_is_delivered_to_now_is_not_looked_at(hooked: Hooked, receiver: Receiver) -> None:
    first, second = hooked.hook(receiver), hooked.hook(receiver)
    hooked.tell("a")
    assert hooked.deliverer().due() == [first, second]
    assert hooked.deliverer().due([first]) == [second]


def test_a_process_that_stops_leaves_a_receiver_that_hangs_and_another_one_goes_on_at_once(
    hooked: Hooked, receiver: Receiver, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "LEAVES_S", 0.2)
    hooked.settings = hooked.settings.model_copy(update={"timeout_s": 60, "concurrency": 2})
    number = hooked.hook(receiver)
    hooked.tell("a", "b", "b", "c")
    hangs, stop, answers = threading.Event(), threading.Event(), threading.Event()

    def answer(got: Got) -> tuple[int, dict[str, str]]:
        if got.event_id == "a-1" and not hangs.is_set():
            hangs.set()
            answers.wait(60)
        elif got.event_id == "b-1":
            hangs.wait(60)
            stop.set()
        return 200, {}

    receiver.answer = answer
    began = time.monotonic()
    hooked.deliverer().turn(number, stop.is_set)
    assert time.monotonic() - began < 30, "the one that hangs was left"
    assert hooked.row(number)["delivered"] == 1, "what was taken is noted"
    with world.runtime.database.connection() as connection:
        assert not leases.live(connection, locks.webhook(number))
    other = hooked.deliverer()
    while hooked.deliver(deliverer=other):
        pass
    assert sorted(receiver.ids()) == ["a-1", "b-1", "b-2", "c-1"]
    delivered = hooked.row(number)["delivered"]
    answers.set()  # it answers at last: who asked is not there any more
    waited(lambda: receiver.ids().count("a-1") == 2)
    assert (hooked.row(number)["delivered"], hooked.waiting()) == (delivered, [])


def test_others_events_are_gone_past_without_a_write_for_each_look(hooked: Hooked, receiver: Receiver) -> None:
    number = hooked.hook(receiver)
    mine = hooked.deliverer()
    for n in range(5):
        hooked.tell(f"other/{n}")
        assert mine.due() == []
    assert hooked.row(number)["position"] == 0
    hooked.tell("a")
    assert mine.due() == [number]


def test_a_body_is_the_same_bytes_with_each_try_and_its_time_is_the_tries(hooked: Hooked, receiver: Receiver) -> None:
    hooked.hook(receiver)
    hooked.tell("a")
    receiver.answer = lambda _: (500, {})
    hooked.deliver()
    hooked.advance(HOUR)
    hooked.deliver()
    one, two = receiver.got
    assert (one.body, one.event_id) == (two.body, two.event_id)
    assert json.loads(one.body)["id"] == one.event_id
    assert abs(int(two.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 300


def test_how_webhooks_stand_is_measured_and_judged(hooked: Hooked, receiver: Receiver, world: World) -> None:
    receiver.answer = refusing("bad")
    first, second = hooked.hook(receiver), hooked.hook(receiver, "other")
    hooked.tell("a", "bad", "other/gone")
    hooked.deliver(first)
    hooked.advance(HOUR)
    with world.runtime.database.connection() as connection:
        one, two = views.standing(connection)
    assert (one.delivered, one.runs, one.gave_up) == (1, True, False)
    assert one.failing_s == pytest.approx(HOUR, abs=60)
    assert one.oldest_s == pytest.approx(HOUR, abs=60)
    assert (two.delivered, two.failing_s) == (0, 0)
    assert two.oldest_s == pytest.approx(HOUR, abs=60), "also of what nobody has tried yet"
    receiver.answer = lambda _: (410, {})
    hooked.deliver(second)
    with world.runtime.database.connection() as connection:
        _, two = views.standing(connection)
    assert (two.runs, two.gave_up, two.oldest_s, two.name) == (False, True, 0, f"other/{second}")
    assert "410" in str(two.because)


def test_a_replay_waits_for_what_the_relay_carries_once_more_and_leaves_nothing_out(
    hooked: Hooked, receiver: Receiver, world: World
) -> None:
    number = hooked.hook(receiver)
    since = world.value("SELECT clock() - interval '1 second'")
    names = hooked.tell("a", "b", "c", "d")
    hooked.deliver()
    receiver.taken.clear()
    with world.runtime.database.transaction() as connection:
        assert keep.replay(connection, number, since, None, by="Ann") == 4
    world.execute("INSERT INTO outbox SELECT id FROM events WHERE event_id >= 'c'")
    mine = hooked.deliverer()
    for _ in range(3):
        hooked.deliver(deliverer=mine)
        assert sorted(receiver.ids()) == names[:2]
    world.execute("DELETE FROM outbox")
    hooked.deliver(deliverer=mine)
    assert sorted(receiver.ids()) == names


def test_what_postgresql_did_not_note_is_sent_again(hooked: Hooked, receiver: Receiver, world: World) -> None:
    hooked.settings = hooked.settings.model_copy(update={"concurrency": 1})
    number = hooked.hook(receiver)
    hooked.tell("a", "b")

    def answer(_: Got) -> tuple[int, dict[str, str]]:
        world.execute("ALTER TABLE webhooks RENAME TO webhooks_away")
        receiver.answer = lambda _: (200, {})
        return 200, {}

    receiver.answer = answer
    try:
        with pytest.raises(psycopg.Error):
            hooked.deliver()
    finally:
        world.execute("ALTER TABLE webhooks_away RENAME TO webhooks")
    assert (hooked.row(number)["delivered"], len(receiver.got)) == (0, 2)
    hooked.deliver()
    assert sorted(receiver.ids()) == ["a-1", "a-1", "b-1", "b-1"]


def test_a_database_that_came_back_older_tells_again_what_it_still_has(
    hooked: Hooked, receiver: Receiver, world: World
) -> None:
    """As a backup holds it: the position is of that time, too."""
    number = hooked.hook(receiver)
    hooked.tell("a", "b")
    hooked.deliver()
    position = hooked.row(number)["position"]
    mine = hooked.deliverer()
    hooked.tell("c", "a")
    hooked.deliver(deliverer=mine)
    world.execute("UPDATE webhooks SET position = %s, delivered = 2", position)
    hooked.tell("-", told="settlepipe.store.recovered")
    hooked.deliver(deliverer=mine)
    assert sorted(receiver.ids()) == ["--1", "a-1", "a-2", "a-2", "b-1", "c-1", "c-1"]


def test_once_an_ill_receiver_takes_one_all_that_waits_is_due(hooked: Hooked, receiver: Receiver, world: World) -> None:
    hooked.hook(receiver)
    receiver.answer = lambda _: (500, {})
    hooked.tell("a", "b", "c")
    hooked.deliver()
    receiver.answer = lambda _: (200, {})
    world.execute("UPDATE webhook_waiting SET next_at = clock() + interval '50 minutes'")
    world.execute("UPDATE webhooks SET next_at = clock()")
    hooked.deliver()
    assert sorted(receiver.ids()) == ["a-1", "b-1", "c-1"]
