"""What stands still is sent by each way: once, again when there is more of it, and its end; at least once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Barrier, Thread

import pytest

from shared.alerts.keep import keep, stood
from shared.alerts.store import tell as store
from shared.alerts.tell import tell
from shared.alerts.ways import Untold, Way
from shared.alerts.words import Word
from shared.settings.alerting import AlertSettings
from shared.telemetry.alerts import Alert
from tests.support.flow import World

PARKED, LATE = (Alert.PAYMENT_PARKED, "safe"), (Alert.JOB_LATE, "tokens")
SETTINGS = AlertSettings()


@dataclass
class Receiver:
    """Keeps what it is told, unless it is away."""

    away: bool = False
    words: list[tuple[str, str, int, bool]] = field(default_factory=list)

    def hear(self, told: Sequence[Word], _now: datetime) -> str:
        if self.away:
            raise Untold("nobody is there")
        for word in told:
            state = "cleared" if word.cleared_at else "stands"
            self.words.append((word.name, state, word.number, word.again))
        return "fine"

    def heard(self) -> list[tuple[str, str, int, bool]]:
        """Since it was asked last."""
        new, self.words = self.words, []
        return new


def way(receiver: Receiver, name: str = "webhook", repeat_s: float | None = None) -> Way:
    return Way(name, receiver.hear, receiver.hear, 10, repeat_s)


def send(world: World, by: Way) -> int:
    return tell(world.runtime.database, world.runtime.seen, by, SETTINGS)


def stands(world: World, *found: tuple[Alert, str], payments: int = 1) -> None:
    database = world.runtime.database
    keep(database, world.runtime.seen, {about: {"payments": payments} for about in found}, 400, stood(database))


def test_each_way_is_told_once_that_it_stands_and_once_that_it_ended(world: World) -> None:
    first, second = Receiver(), Receiver()
    stands(world, PARKED, LATE)
    for _ in range(3):
        send(world, way(first))
        send(world, way(second, "mail"))
    assert first.heard() == second.heard() == [("payment_parked", "stands", 1, False), ("job_late", "stands", 1, False)]
    stands(world, LATE)
    for _ in range(3):
        send(world, way(first))
        world.advance(4000)
    assert first.heard() == [("payment_parked", "cleared", 1, False)]
    stands(world, LATE, PARKED)
    send(world, way(first))
    assert first.heard() == [("payment_parked", "stands", 1, False)], "it stands anew"


def test_what_ended_before_anybody_tried_to_tell_it_is_not_told(world: World) -> None:
    receiver = Receiver()
    stands(world, PARKED)
    stands(world)
    assert send(world, way(receiver)) == 0
    assert receiver.heard() == []


def test_the_end_is_told_where_nobody_knows_whether_the_beginning_arrived(world: World) -> None:
    receiver = Receiver(away=True)
    stands(world, PARKED)
    send(world, way(receiver))
    stands(world)
    receiver.away = False
    world.advance(60)
    send(world, way(receiver))
    assert receiver.heard() == [("payment_parked", "cleared", 1, False)]


def test_more_of_it_is_told_once_an_hour_at_most_and_less_of_it_never(world: World) -> None:
    receiver = Receiver()
    stands(world, PARKED, payments=3)
    send(world, way(receiver))
    stands(world, PARKED, payments=4)
    world.advance(3590)
    send(world, way(receiver))
    assert receiver.heard() == [("payment_parked", "stands", 3, False)]
    stands(world, PARKED, payments=9)
    world.advance(20)
    send(world, way(receiver))
    assert receiver.heard() == [("payment_parked", "stands", 9, True)]
    stands(world, PARKED, payments=8)
    world.advance(4000)
    send(world, way(receiver))
    assert receiver.heard() == []


def test_a_way_that_forgets_is_told_again_and_again_while_it_stands(world: World) -> None:
    receiver = Receiver()
    by = way(receiver, "alertmanager", 60)
    stands(world, PARKED)
    for _ in range(3):
        send(world, by)
        send(world, by)
        world.advance(61)
    assert len(receiver.heard()) == 3
    stands(world)
    for _ in range(3):
        send(world, by)
        world.advance(61)
    assert receiver.heard() == [("payment_parked", "cleared", 1, False)]


def test_what_failed_is_tried_again_at_a_growing_pace_and_given_up_after_a_day(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver = Receiver(away=True)
    stands(world, PARKED)
    waits = []
    for _ in range(200):
        send(world, way(receiver))
        rows = world.rows(
            "SELECT told_at, extract(epoch FROM due_at - clock())::int AS wait_s, failure FROM alerts_told"
        )
        assert rows[0]["failure"] == "nobody is there"
        if rows[0]["told_at"] is not None:
            break
        waits.append(rows[0]["wait_s"])
        world.advance(rows[0]["wait_s"])
    assert waits[:5] == [5, 10, 20, 40, 80]
    assert max(waits) == 900
    assert sum(waits) > 86_400
    assert "".join(capsys.readouterr()).count("is given up") == 1
    receiver.away = False
    stands(world)
    send(world, way(receiver))
    assert receiver.heard() == [("payment_parked", "cleared", 1, False)], "its end is tried all the same"


def test_two_senders_never_have_the_same_one(world: World) -> None:
    """Both look before either has taken it; and one whose lease ran out notes nothing."""
    stands(world, PARKED)
    barrier, taken = Barrier(2), []

    def take() -> None:
        with world.runtime.database.transaction() as connection:
            connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            connection.execute("SELECT count(*) FROM alerts")
            barrier.wait(30)
            taken.append(store.take(connection, "webhook", repeat_s=None, again_s=3600, lease_s=40))

    threads = [Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (mine,) = [batch for batch in taken if batch is not None]
    receiver = Receiver()
    assert send(world, way(receiver)) == 0
    world.advance(41)
    assert send(world, way(receiver)) == 1, "its sender died: it is sent again"
    with world.runtime.database.transaction() as connection:
        store.failed(connection, "webhook", mine.taken, waits_s=[5.0], failure="too late", give_up_s=86_400)
    assert world.rows("SELECT failure FROM alerts_told") == [{"failure": None}]


def test_of_a_held_store_nothing_is_told_but_that(world: World) -> None:
    receiver = Receiver()
    stands(world, PARKED)
    world.execute("UPDATE store SET held_at = clock(), held_reason = 'made up'")
    assert send(world, way(receiver)) == 0
    stands(world)
    assert send(world, way(receiver)) == 1
    assert receiver.heard() == [("store_held", "stands", 0, False)]
    world.execute("UPDATE store SET held_at = NULL, held_reason = NULL")
    assert send(world, way(receiver)) == 1
