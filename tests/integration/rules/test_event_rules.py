"""Events: one for each step, in order for each payment, carried to the stream at least once."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import redis

from scheduler import relay as relay_module
from scheduler.relay import relay
from shared.database import leases, locks, session
from shared.database.engine import Database
from shared.database.leases import LeaseLost
from shared.events import outbox
from shared.messaging import broker, events_stream
from shared.payments.store.accept import reemit
from tests.support import archived
from tests.support.bank import until
from tests.support.contract import assert_kept
from tests.support.flow import APPLIED, LOOK, NO, NOT_SENT, OK, UNCLEAR, World

PREFIX = "rules:"  # as where installations share a database: the watched keys have it, too
FAR = 2**52  # a number that no relay of a test gets to by itself


@pytest.fixture
def client(broker_url: str) -> Iterator["redis.Redis"]:
    with broker.connect(broker_url, prefix=PREFIX) as client:
        yield client


@contextmanager
def relaying(world: World, client: Any, dies_of: str = "") -> Iterator[threading.Thread]:
    """A relay for the length of the block, which must end of nothing else than `dies_of`. Gives its thread."""
    stop, failures = threading.Event(), [""]
    database = Database(world.url, pool_size=1)

    def run() -> None:
        lease = relay_module._wait_for_turn(database, client, stop)
        assert lease is not None
        try:
            relay(database, lease, client, world.runtime.settings, stop)
        except Exception as error:
            failures[0] = str(error)
        relay_module._given_back(database, lease)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(120)
        database.dispose()
    assert failures == [dies_of]


def carried(world: World, client: "redis.Redis") -> list[dict[str, Any]]:
    """Relay until nothing is pending and no replay is active; everything on the stream."""
    replaying = "SELECT count(*) FROM relay_position WHERE replay_next IS NOT NULL"
    with relaying(world, client):
        until(lambda: world.value(f"SELECT count(*) + ({replaying}) FROM events JOIN outbox USING (id)"), 0)
    return on(client)


def on(client: "redis.Redis") -> list[dict[str, Any]]:
    rows: Any = client.xrange(events_stream.EVENTS)
    return [json.loads(fields[b"event"]) for _, fields in rows]


def checked(world: World, *verdicts: object) -> int:
    payment_id = world.settled("careful", LOOK)
    for verdict in verdicts:
        world.careful.verdicts.append(verdict)
        world.run("careful")
        world.advance(100_000 / 4)
    return payment_id


def cancelled(world: World) -> int:
    payment_id = world.pay()
    world.execute("UPDATE payments SET state = 'cancelled', due_at = NULL")
    return payment_id


STEPS: list[tuple[str, Callable[[World], int], list[str]]] = [
    ("succeeded", lambda w: w.settled("safe", OK), ["accepted", "succeeded"]),
    ("refused", lambda w: w.settled("safe", NO), ["accepted", "refused"]),
    ("waiting", lambda w: w.settled("safe", NOT_SENT), ["accepted"]),
    ("found", lambda w: checked(w, APPLIED), ["accepted", "unknown", "succeeded"]),
    ("parked", lambda w: checked(w, *[UNCLEAR] * 5), ["accepted", "unknown", "parked"]),
    ("cancelled", cancelled, ["accepted", "cancelled"]),
]


@pytest.mark.parametrize(("step", "expected"), [pytest.param(s, e, id=n) for n, s, e in STEPS])
def test_every_step_has_its_event_with_the_row_of_that_moment(
    world: World, step: Callable[[World], int], expected: list[str]
) -> None:
    payment_id = step(world)
    assert world.events(payment_id) == expected
    rows = world.rows("SELECT event_id, type, data FROM events ORDER BY id")
    assert [row["event_id"] for row in rows] == [f"{payment_id}-{n}" for n in range(1, len(expected) + 1)]
    assert [row["data"]["state"] for row in rows] == expected


def test_the_stream_gets_cloud_events_in_order(world: World, client: "redis.Redis") -> None:
    ids = [world.settled("safe", OK), checked(world, APPLIED), world.settled("safe", NO)]
    world.accept(b"nonsense")
    found = carried(world, client)
    assert_kept(found)
    for payment_id in ids:
        mine = [e["id"] for e in found if e["id"].startswith(f"{payment_id}-")]
        assert mine == [f"{payment_id}-{n}" for n in range(1, len(mine) + 1)]
    for event in found:
        assert event["specversion"] == "1.0"
        assert event["source"] == "/settlepipe"
        assert event["type"].startswith(("settlepipe.payment.", "settlepipe.intake.quarantined"))
        assert event["datacontenttype"] == "application/json"
        assert datetime.fromisoformat(event["time"]).utcoffset() is not None
    assert found[0]["subject"] == "shop/ord-1"
    assert found[-1]["subject"] == "-"
    assert found[0]["data"] | {"state": "accepted", "amount": "100.00", "currency": "MNT"} == found[0]["data"]


def test_a_repeat_is_the_same_to_the_byte(world: World, client: "redis.Redis") -> None:
    document = world.document()
    world.accept(document)
    carried(world, client)
    world.accept(document)
    carried(world, client)
    with world.runtime.database.connection() as connection:
        outbox.replay(connection, datetime.fromtimestamp(0, UTC))
    carried(world, client)
    rows: Any = client.xrange(events_stream.EVENTS)
    first, second, replayed = (fields[b"event"] for _, fields in rows)
    assert second == first
    assert replayed == first


def test_dying_between_the_stream_and_the_outbox_writes_the_batch_again(
    world: World, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settled("safe", OK)
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "carried", _die)
        with relaying(world, client, dies_of="killed"):
            until(lambda: len(on(client)), 2)
    assert world.value("SELECT count(*) FROM events JOIN outbox USING (id)") == 2
    assert [e["id"] for e in carried(world, client)] == ["1-1", "1-2", "1-1", "1-2"]


def _die(*_: object) -> None:
    raise RuntimeError("killed")


def test_a_wiped_stream_replays_24_hours(world: World, client: "redis.Redis") -> None:
    old = world.settled("safe", OK)
    carried(world, client)
    world.advance(86_300)
    recent = world.settled("safe", OK)
    carried(world, client)
    world.advance(200)  # the old one's events are older than a day now
    client.delete(events_stream.EVENTS)
    with relaying(world, client):
        until(lambda: [e["id"] for e in on(client)], [f"{recent}-1", f"{recent}-2"])
    assert old != recent
    assert len(carried(world, client)) == 2


def test_a_relay_that_lost_its_lease_writes_nothing(world: World, client: "redis.Redis") -> None:
    world.settled("safe", OK)
    database = Database(world.url, pool_size=1)
    lease = relay_module._wait_for_turn(database, client, threading.Event())
    assert lease is not None
    world.advance(2 * lease.length_s)
    carried(world, client)
    before = len(on(client))
    world.settled("safe", OK)
    with pytest.raises(LeaseLost):
        relay(database, lease, client, world.runtime.settings, threading.Event())
    database.dispose()
    assert len(on(client)) == before


def test_one_relay_is_active_at_a_time(world: World, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_AWAY_S", 0.01)
    stop, turn = threading.Event(), threading.Event()
    database = world.runtime.database
    first = relay_module._wait_for_turn(database, client, stop)
    assert first is not None

    def wait() -> None:
        assert relay_module._wait_for_turn(database, client, stop) is not None
        turn.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not turn.wait(0.2)
    relay_module._given_back(database, first)
    assert turn.wait(120)
    waiting.join(120)


def test_a_relay_of_the_release_before_keeps_its_turn_and_gets_it_back(world: World, client: "redis.Redis") -> None:
    """It knows a session lock alone, and takes one number more than it finds."""
    database = world.runtime.database
    with session.connect(world.url, "an older relay") as older:
        older.execute("SELECT pg_advisory_lock(7310587404)")
        with database.connection() as connection:
            assert leases.take(connection, locks.RELAY) is None
    world.settled("safe", OK)
    with relaying(world, client, dies_of=LeaseLost("relay").args[0]) as newer:
        until(lambda: world.value("SELECT count(*) FROM events WHERE id NOT IN (SELECT id FROM outbox)"), 2)
        world.execute("UPDATE relay_position SET turn = turn + 1")
        world.settled("safe", OK)
        until(newer.is_alive, False)  # what it wrote is not noted
    assert world.value("SELECT count(*) FROM events JOIN outbox USING (id)") == 2
    assert [e["id"] for e in carried(world, client)][-2:] == ["2-1", "2-2"], "under a number above the older one's"


def test_what_is_asked_for_again_while_it_is_written_is_written_again(world: World, client: "redis.Redis") -> None:
    """It stood on the stream before the repeated intent came: upstream may have lost it."""
    payment_id = world.settled("safe", OK)
    with world.runtime.database.connection() as connection:
        batch = outbox.pending(connection, 10)
        entry_id = events_stream.publish(client, batch, 600)
        assert entry_id is not None
        with connection.transaction():
            reemit(connection, [payment_id])
        assert outbox.carried(connection, batch, entry_id)
        (again,) = outbox.pending(connection, 10)
        assert (again["event_id"], again["data"]) == (batch[-1]["event_id"], batch[-1]["data"])
        assert outbox.carried(connection, [again], entry_id)
        assert outbox.pending(connection, 10) == []


def test_no_event_goes_before_it_was_told(world: World) -> None:
    world.settled("safe", OK)
    with pytest.raises(psycopg.errors.CheckViolation, match="told"):
        world.execute("DELETE FROM events")
    world.execute("DELETE FROM outbox")
    world.execute("DELETE FROM events")


def test_events_can_be_replayed_since_a_time(world: World, client: "redis.Redis") -> None:
    world.settled("safe", OK)
    carried(world, client)
    since = world.value("SELECT min(created_at) FROM events")
    with world.runtime.database.connection() as connection:
        assert outbox.replay(connection, since) == 2
    assert [e["id"] for e in carried(world, client)] == ["1-1", "1-2"] * 2


def test_a_wipe_between_the_look_and_the_writing_is_noticed(world: World, broker_url: str) -> None:
    world.settled("safe")
    with redis.Redis.from_url(broker_url) as client, world.runtime.database.connection() as connection:
        batch = outbox.pending(connection, 10)
        first = events_stream.publish(client, batch, 600)
        assert events_stream.publish(client, batch, 600, after=first) is not None
        client.flushall()
        assert events_stream.publish(client, batch, 600, after=first) is None
        assert client.xlen(events_stream.EVENTS) == 0  # what is older has to come first


def many(world: World, count: int, age_s: float = 0) -> None:
    """Events of `count` / 3 payments that were written long ago, three each, in order."""
    world.execute(
        """INSERT INTO events (event_id, type, subject, data, created_at)
        SELECT n / 3 || '-' || n %% 3, 'settlepipe.payment.accepted', 's/' || n / 3, json_build_object('n', n),
            clock() - make_interval(secs => %s) FROM generate_series(3, %s) n""",
        age_s,
        count + 2,
    )
    world.execute("DELETE FROM outbox o USING events e WHERE e.id = o.id AND e.payment_id IS NULL")


def numbers(client: "redis.Redis") -> list[int]:
    return [event["data"]["n"] for event in on(client) if "n" in event["data"]]


def in_order(client: "redis.Redis") -> bool:
    """Are the first showings of each payment's events in order, and after a repeat of one all later ones repeated?"""
    last: dict[str, int] = {}
    for event in on(client):
        payment, _, number = event["id"].rpartition("-")
        if int(number) > last.get(payment, -1) + 1 and payment in last:
            return False
        last[payment] = int(number)
    return True


@pytest.fixture
def hasty(own_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement's time scaled down: what takes 30 s in production takes as long here as `many` events need."""
    defaults = session.connect.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "statement_s", 1.0)


@pytest.mark.usefixtures("hasty")
def test_a_replay_of_more_than_one_statement_can_mark_is_written_in_pieces(
    own_world: World, client: "redis.Redis"
) -> None:
    world, count = own_world, 12_000
    many(world, count)
    world.execute("SET statement_timeout = 5")
    with pytest.raises(psycopg.errors.QueryCanceled):  # what a statement with all of them would end in
        world.execute("INSERT INTO outbox SELECT id FROM events")
    world.execute(f"SET statement_timeout = '{session.STATEMENT_S:.0f}s'")
    world.settled("safe", OK)
    carried(world, client)
    client.delete(events_stream.EVENTS)
    with relaying(world, client):
        until(lambda: client.xlen(events_stream.EVENTS) >= count + 2, True)
    assert numbers(client) == list(range(3, count + 3))
    assert [event["id"] for event in on(client)][-2:] == ["1-1", "1-2"]
    assert world.value("SELECT replay_next FROM relay_position") is None


@pytest.mark.usefixtures("hasty")
def test_a_replay_that_is_killed_goes_on_and_one_that_is_wiped_begins_again(
    own_world: World, client: "redis.Redis"
) -> None:
    world, count = own_world, 6_000
    many(world, count)
    with world.runtime.database.connection() as connection:
        assert outbox.replay(connection, world.value("SELECT min(created_at) FROM events")) == count
    killing = _Killing(client, 2_000)
    with relaying(world, killing, dies_of="killed"):
        until(lambda: killing.killed, True)
    before = client.xlen(events_stream.EVENTS)
    with relaying(world, client):
        until(lambda: client.xlen(events_stream.EVENTS) > before, True)
    so_far = numbers(client)
    assert so_far[:before] == list(range(3, before + 3))
    assert so_far[before] >= before + 3 - 500, "it goes on where it was, but for a batch that was not noted"
    world.settled("safe", OK)  # new ones come meanwhile
    if len(so_far) < count:
        client.delete(events_stream.EVENTS, events_stream.TURN)
    with relaying(world, client):
        until(lambda: [event["id"] for event in on(client)][-2:], ["1-1", "1-2"])
    assert set(numbers(client)) == set(range(3, count + 3))
    assert in_order(client)


class _Killing:
    """A broker's client whose process dies once so many events are on the stream, before that is noted."""

    def __init__(self, client: "redis.Redis", entries: int) -> None:
        self._client, self._entries, self.killed = client, entries, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def pipeline(self, transaction: bool = True) -> Any:
        if self._client.xlen(events_stream.EVENTS) >= self._entries:
            self.killed = True
            raise RuntimeError("killed")
        return self._client.pipeline(transaction=transaction)


@pytest.mark.made_up_rows
def test_a_second_replay_makes_the_active_one_longer_and_there_is_one(world: World, client: "redis.Redis") -> None:
    many(world, 300, age_s=5_000)
    many(world, 300, age_s=1_000)
    now = world.value("SELECT clock()")
    with world.runtime.database.connection() as connection:
        assert outbox.replay(connection, now - timedelta(seconds=2_000)) == 300
        assert outbox.replay(connection, now - timedelta(seconds=6_000)) == 600
        assert outbox.replay(connection, now - timedelta(seconds=10)) == 0
    assert len(carried(world, client)) == 600
    with world.runtime.database.connection() as connection:
        assert outbox.replay(connection, now - timedelta(seconds=2_000)) == 300
    assert len(carried(world, client)) == 900


@pytest.mark.made_up_rows
def test_a_repeat_during_a_replay_is_told_and_in_order(world: World, client: "redis.Redis") -> None:
    document = world.document()
    world.accept(document)
    many(world, 1_500)
    carried(world, client)
    client.delete(events_stream.EVENTS)
    world.accept(document)
    with relaying(world, client):
        until(lambda: client.xlen(events_stream.EVENTS) >= 1_501, True)
        world.accept(document)
        until(lambda: [event["id"] for event in on(client)][-1], "1-1")
    assert in_order(client)


def test_a_relay_that_was_overtaken_between_asking_and_writing_writes_and_notes_nothing(
    world: World, client: "redis.Redis"
) -> None:
    world.settled("safe", OK)
    carried(world, client)
    world.settled("safe", OK)
    with world.runtime.database.connection() as connection:
        frozen, last = outbox.begin(connection, FAR), events_stream.last_id(client)
        assert frozen is not None
        batch = outbox.pending(connection, 10)
        assert [event["event_id"] for event in batch] == ["2-1", "2-2"]
        world.settled("safe", OK)
        assert len(carried(world, client)) == 6  # another one has the turn meanwhile
        assert events_stream.publish(client, batch, 600, after=last) is None
        assert client.xlen(events_stream.EVENTS) == 6
        entry_id = events_stream.publish(client, batch, 600)
        assert entry_id is not None
        assert not outbox.carried(connection, batch, entry_id, frozen.number)


def test_a_relay_with_a_lower_number_writes_nothing_though_the_stream_is_as_it_left_it(
    world: World, client: "redis.Redis"
) -> None:
    world.settled("safe", OK)
    with world.runtime.database.connection() as connection:
        batch, last = outbox.pending(connection, 10), events_stream.last_id(client)
        assert events_stream.begin(client, 7)
        assert outbox.begin(connection, 7) is not None
        assert events_stream.begin(client, 8)
        assert outbox.begin(connection, 8) is not None
        assert events_stream.publish(client, batch, 600, after=last, turn=7) is None
        assert not events_stream.begin(client, 7)
        assert outbox.begin(connection, 7) is None
        assert events_stream.publish(client, batch, 600, after=last, turn=8) is not None
        assert client.xlen(events_stream.EVENTS) == 2


def test_a_relay_that_is_overtaken_between_its_look_and_its_writing_writes_nothing(
    world: World, client: "redis.Redis", broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overtaken by one that has begun, and has written nothing yet: the stream alone shows nothing of it."""
    world.settled("safe", OK)
    as_event = events_stream.cloud_event

    def frozen_meanwhile(event: Any) -> str:
        assert events_stream.begin(other, 8)
        return as_event(event)

    with world.runtime.database.connection() as connection, broker.connect(broker_url, prefix=PREFIX) as other:
        batch, last = outbox.pending(connection, 10), events_stream.last_id(client)
        assert events_stream.begin(client, 7)
        monkeypatch.setattr(events_stream, "cloud_event", frozen_meanwhile)
        assert events_stream.publish(client, batch, 600, after=last, turn=7) is None
    assert on(client) == []


def test_a_database_that_forgot_the_newest_number_gets_a_higher_one_from_the_stream(
    world: World, client: "redis.Redis"
) -> None:
    assert events_stream.begin(client, FAR)
    world.settled("safe", OK)
    assert len(carried(world, client)) == 2
    assert events_stream.newest_turn(client) == FAR + 1 == world.value("SELECT turn FROM relay_position")


def test_what_somebody_else_wrote_to_the_stream_stops_nothing(world: World, client: "redis.Redis") -> None:
    world.settled("safe", OK)
    with relaying(world, client):
        until(lambda: client.xlen(events_stream.EVENTS), 2)
        client.xadd(events_stream.EVENTS, {"event": json.dumps({"id": "0-0", "data": {}})})
        world.settled("safe", OK)
        until(lambda: client.xlen(events_stream.EVENTS), 5)
    assert world.value("SELECT replay FROM relay_position") == 0, "nothing was lost"


def test_a_stream_that_was_trimmed_to_nothing_is_no_wiped_one(world: World, client: "redis.Redis") -> None:
    world.settled("safe", OK)
    carried(world, client)
    client.xtrim(events_stream.EVENTS, maxlen=0, approximate=False)
    world.settled("safe", OK)
    assert [event["id"] for event in carried(world, client)] == ["2-1", "2-2"]


def test_events_bring_back_what_the_intent_brought_and_say_why_in_a_code(world: World, client: "redis.Redis") -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    payment_id = world.settled("safe", NO)
    world.execute("UPDATE payments SET traceparent = %s WHERE id = %s", trace, payment_id)
    world.accept(world.document())
    found = carried(world, client)
    assert_kept(found)
    (refused,) = [event for event in found if event["type"].endswith(".refused")]
    assert refused["data"]["code"] == "provider_refused"
    assert refused["traceparent"] == trace
    assert refused["dataschema"] == "urn:settlepipe:schema:event:1#/$defs/payment"
    assert {"target", "metadata"} <= refused["data"].keys()
    assert refused["data"]["target"] != {}
    others = [event for event in found if event["id"].partition("-")[0] != str(payment_id)]
    assert [("traceparent" in event, event["data"]["code"]) for event in others] == [(False, None)]


def test_a_conflict_names_the_payment_whose_id_it_has(world: World, client: "redis.Redis") -> None:
    document = world.document()
    world.accept(document)
    world.accept(document | {"amount": "7.00"})
    event = carried(world, client)[-1]
    assert event["type"] == "settlepipe.intake.quarantined"
    assert (event["data"]["code"], event["data"]["conflict_of"]) == ("id_conflict", event["subject"])


def test_two_who_tell_the_same_again_in_another_order_wait_for_each_other(world: World) -> None:
    archived.many(world, 400)
    ids = [row["id"] for row in world.rows("SELECT id FROM payments ORDER BY id")]

    def tell(order: list[int]) -> None:
        database = Database(world.url, pool_size=1)
        try:
            for _ in range(15):
                with database.transaction() as connection:
                    reemit(connection, order)
        finally:
            database.dispose()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(tell, (ids, ids[::-1])))  # a deadlock would be raised here
    (told,) = world.rows(
        "SELECT count(*) AS n FROM events JOIN outbox USING (id) WHERE type = 'settlepipe.payment.succeeded'"
    )
    assert told["n"] == len(ids) == 400
