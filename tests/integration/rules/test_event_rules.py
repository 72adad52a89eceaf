"""Events: one for each step, in order for each payment, carried to the stream at least once."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
import pytest
import redis

from scheduler import relay as relay_module
from scheduler.relay import relay
from shared.messaging import broker, streams
from shared.store import events
from shared.store.engine import Database, driver_url
from tests.support.bank import until
from tests.support.flow import APPLIED, LOOK, NO, NOT_SENT, OK, UNCLEAR, World


@pytest.fixture
def client(broker_url: str) -> Iterator["redis.Redis"]:
    with broker.connect(broker_url) as client:
        yield client


@contextmanager
def relaying(world: World, client: "redis.Redis", dies_of: str = "") -> Iterator[None]:
    """A relay for the length of the block, which must end of nothing else than `dies_of`."""
    stop, failures = threading.Event(), [""]
    database = Database(world.url, pool_size=1)

    def run() -> None:
        with psycopg.connect(driver_url(world.url), autocommit=True) as lock:
            try:
                relay(database, lock, client, world.runtime.settings, stop)
            except Exception as error:
                failures[0] = str(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(120)
        database.dispose()
    assert failures == [dies_of]


def carried(world: World, client: "redis.Redis") -> list[dict[str, Any]]:
    """Relay until nothing is pending; everything on the stream."""
    with relaying(world, client):
        until(lambda: world.value("SELECT count(*) FROM events WHERE pending"), 0)
    return on(client)


def on(client: "redis.Redis") -> list[dict[str, Any]]:
    rows: Any = client.xrange(streams.EVENTS)
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
    rows: Any = client.xrange(streams.EVENTS)
    first, second = (fields[b"event"] for _, fields in rows)
    assert first == second


def test_dying_between_the_stream_and_the_outbox_writes_the_batch_again(
    world: World, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settled("safe", OK)
    with monkeypatch.context() as patch:
        patch.setattr(events, "carried", _die)
        with relaying(world, client, dies_of="killed"):
            until(lambda: len(on(client)), 2)
    assert world.value("SELECT count(*) FROM events WHERE pending") == 2
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
    client.delete(streams.EVENTS)
    with relaying(world, client):
        until(lambda: [e["id"] for e in on(client)], [f"{recent}-1", f"{recent}-2"])
    assert old != recent
    assert len(carried(world, client)) == 2


def test_a_relay_without_its_lock_writes_nothing(world: World, client: "redis.Redis") -> None:
    world.settled("safe", OK)
    lock = psycopg.connect(driver_url(world.url), autocommit=True)
    lock.close()
    database = Database(world.url, pool_size=1)
    with pytest.raises(psycopg.OperationalError):
        relay(database, lock, client, world.runtime.settings, threading.Event())
    database.dispose()
    assert on(client) == []


def test_one_relay_is_active_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "_AWAY_S", 0.01)
    stop, turn = threading.Event(), threading.Event()
    with psycopg.connect(driver_url(world.url), autocommit=True) as first:
        relay_module._wait_for_turn(first, stop)
        second = psycopg.connect(driver_url(world.url), autocommit=True)

        def wait() -> None:
            relay_module._wait_for_turn(second, stop)
            turn.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not turn.wait(0.2)
    assert turn.wait(120)
    waiting.join(120)
    second.close()


def test_events_can_be_replayed_since_a_time(world: World, client: "redis.Redis") -> None:
    world.settled("safe", OK)
    carried(world, client)
    since = world.value("SELECT min(created_at) FROM events")
    with world.runtime.database.connection() as connection:
        assert events.replay(connection, since) == 2
    assert [e["id"] for e in carried(world, client)] == ["1-1", "1-2"] * 2


def test_a_wipe_between_the_look_and_the_writing_is_noticed(world: World, broker_url: str) -> None:
    world.settled("safe")
    with redis.Redis.from_url(broker_url) as client, world.runtime.database.connection() as connection:
        batch = events.pending(connection, 10)
        first = streams.publish(client, batch, 600)
        assert streams.publish(client, batch, 600, after=first) is not None
        client.flushall()
        assert streams.publish(client, batch, 600, after=first) is None
        assert client.xlen(streams.EVENTS) == 0  # what is older has to come first
