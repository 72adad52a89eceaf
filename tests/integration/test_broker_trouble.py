"""The broker misbehaves, or a part of it: real processes on a real Valkey. What is whole goes on; nothing is lost."""

import json
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis

from shared.messaging import broker, events_stream
from shared.messaging.events_stream import EVENTS
from shared.messaging.intake_entry import INTAKE_FIELD
from shared.messaging.intake_stream import GROUP, Intake
from tests.support import lone
from tests.support.stack import wait_until

STREAM, OTHER = "settlepipe:intake", "settlepipe:intake:other"
BOTH = json.dumps({STREAM: ["*"], OTHER: ["*"]})
LAST = "18446744073709551615-18446744073709551615"
QUICK: dict[str, Any] = {"DISPATCH_LEASE_S": "1"}


@pytest.fixture
def client(broker_url: str) -> Iterator["redis.Redis"]:
    """An administrator's; whatever it set is as before at the end."""
    with redis.Redis.from_url(broker_url, decode_responses=False) as client:
        yield client
        client.config_set("maxmemory", "0")
        for user in client.acl_users():
            if user != "default":
                client.acl_deluser(user)


class Place(NamedTuple):
    """Where a process of a test runs."""

    folder: Path
    database_url: str
    broker_url: str


@pytest.fixture
def place(tmp_path: Path, database_url: str, broker_url: str) -> Place:
    return Place(tmp_path, database_url, broker_url)


@pytest.fixture
def database(database_url: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def states(database: "psycopg.Connection[Any]") -> dict[str, str]:
    rows = database.execute("SELECT provider || ' ' || intent_id, state FROM payments ORDER BY 1").fetchall()
    return dict(rows)


def put(client: "redis.Redis", provider: str, intent_id: str, stream: str = STREAM) -> None:
    client.xadd(stream, {INTAKE_FIELD: lone.intent(provider, intent_id)})


def account(client: "redis.Redis", url: str, *rights: str) -> str:
    """The URL of an account that may do all but for what `rights` take away."""
    password = secrets.token_urlsafe(12)
    client.execute_command("ACL", "SETUSER", "limited", "on", f">{password}", "+@all", "&*", *rights)  # type: ignore[no-untyped-call]
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"limited:{password}@{parts.hostname}:{parts.port}"))


@contextmanager
def intake_and_dispatcher(place: Place) -> Iterator[tuple[lone.Lone, lone.Lone]]:
    with ExitStack() as stack:
        intake = stack.enter_context(lone.running("worker.intake", *place, **QUICK))
        yield intake, stack.enter_context(lone.running("scheduler.dispatcher", *place, **QUICK))


TROUBLES = [
    "its statements fail",
    *(
        pytest.param(trouble, marks=pytest.mark.only_large)
        for trouble in ("its queue is no list", "the bell is no list")
    ),
    "the bell is forbidden",
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_one_lanes_trouble_or_the_bells_stops_no_other_lane(
    trouble: str, place: Place, client: "redis.Redis", database: Any
) -> None:
    url = place.broker_url
    match trouble:
        case "its queue is no list":
            client.set("lane.ubill", "x")  # ubill's lane is looked at before mtn's
        case "its statements fail":
            database.execute(
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'made up'; END $$;"
                "CREATE TRIGGER fail BEFORE UPDATE ON payments FOR EACH ROW WHEN (NEW.provider = 'ubill')"
                " EXECUTE FUNCTION fail()"
            )
        case "the bell is no list":
            client.set("settlepipe:bell", "x")
        case "the bell is forbidden":
            url = account(
                client, place.broker_url, "~lane.*", "~settlepipe:i*", "~settlepipe:e*", "~_kombu*", "~unacked*"
            )
    lanes_ill = trouble.startswith("its")
    with intake_and_dispatcher(place._replace(broker_url=url)) as (_, dispatcher):
        for number in range(3):
            put(client, "ubill", f"u{number}")
            put(client, "mtn", f"m{number}")
        wait_until(lambda: client.llen("lane.mtn") >= 3, "mtn's payments are on their queue")
        if not lanes_ill:
            wait_until(lambda: client.llen("lane.ubill") >= 3, "ubill's too")
        time.sleep(3)
        assert dispatcher.alive
        warnings = [line for line in dispatcher.lines() if line["level"] in ("warning", "error", "critical")]
        about = [line for line in warnings if line["event"] != "a lease ran out"]
        assert len(about) == 1, "it is said once, not twice a second"
        assert (about[0].get("provider") == "ubill") is lanes_ill
        if not lanes_ill:
            return
        client.delete("lane.ubill")
        database.execute("DROP TRIGGER IF EXISTS fail ON payments")
        wait_until(lambda: client.llen("lane.ubill") >= 3, "ubill's lane goes on by itself")
        wait_until(lambda: dispatcher.said("it works again"), "and that is said")


def test_a_full_broker_ends_no_process_and_what_was_accepted_goes_out_when_there_is_room(
    place: Place, client: "redis.Redis", database: Any
) -> None:
    with intake_and_dispatcher(place) as (intake, dispatcher):
        for number in range(3):
            put(client, "mtn", f"m{number}")
        client.config_set("maxmemory", "1")  # everything that needs room is refused from now on
        with pytest.raises(redis.OutOfMemoryError):
            put(client, "mtn", "m9")
        wait_until(lambda: len(states(database)) == 3, "what was on the stream is accepted")
        wait_until(lambda: dispatcher.said("a step fails"), "the queue refuses messages")
        assert "dispatch mtn" in {line["step"] for line in dispatcher.said("a step fails")}
        client.delete("lane.mtn")
        client.config_set("maxmemory", "0")
        wait_until(lambda: client.llen("lane.mtn") >= 3, "their leases are over, they are dispatched again")
        assert intake.alive
        assert dispatcher.alive


@pytest.mark.parametrize("trouble", ["no stream", pytest.param("forbidden", marks=pytest.mark.only_large)])
def test_an_intake_stream_that_is_refused_is_named_and_stops_no_other(
    trouble: str, place: Place, client: "redis.Redis", database: Any
) -> None:
    url = place.broker_url
    if trouble == "no stream":
        client.set(OTHER, "x")
    else:
        url = account(client, place.broker_url, f"~{STREAM}", "~settlepipe:bell")
    with lone.running("worker.intake", *place._replace(broker_url=url), INTAKE__SOURCES=BOTH) as intake:
        for number in range(3):
            put(client, "mtn", f"m{number}")
            wait_until(lambda number=number: f"mtn m{number}" in states(database), "it is accepted", 5)  # type: ignore[misc]
        (told,) = wait_until(lambda: intake.alerts("intake_stream_refused"), "the stream is named")
        assert told["stream"] == OTHER
        assert ("WRONGTYPE" if trouble == "no stream" else "permissions") in told["reason"]
        if trouble == "no stream":
            client.delete(OTHER)
        else:
            client.execute_command("ACL", "SETUSER", "limited", "~*")  # type: ignore[no-untyped-call]
        put(client, "mtn", "later", OTHER)
        wait_until(lambda: "mtn later" in states(database), "it is read when it can be")
        wait_until(lambda: intake.said("an intake stream is read again"), "and that is said")
        assert len(intake.alerts("intake_stream_refused")) == 1


@pytest.mark.only_large
def test_a_stream_that_somebody_gave_its_last_id_is_named_and_the_others_go_on(
    place: Place, client: "redis.Redis", database: Any
) -> None:
    client.execute_command("XADD", OTHER, LAST, INTAKE_FIELD, lone.intent("mtn", "forged"))  # type: ignore[no-untyped-call]
    with pytest.raises(redis.ResponseError, match="exhausted"):
        put(client, "mtn", "m1", OTHER)
    with lone.running("worker.intake", *place, INTAKE__SOURCES=BOTH) as intake:
        put(client, "mtn", "m2")
        wait_until(lambda: set(states(database)) == {"mtn forged", "mtn m2"}, "both are accepted")
        (told,) = wait_until(lambda: intake.alerts("intake_stream_exhausted"), "it is told")
        assert told["stream"] == OTHER
        client.delete(OTHER)  # what the alert says
        put(client, "mtn", "m1", OTHER)
        wait_until(lambda: "mtn m1" in states(database), "and it takes entries again")
        assert len(intake.alerts("intake_stream_exhausted")) == 1


def test_restarts_of_the_intake_leave_no_consumers_behind(place: Place, client: "redis.Redis", database: Any) -> None:
    client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    for number in range(100):  # as many processes that ended: each a name
        intake = Intake(client, [STREAM], f"before-{number}", 1)
        put(client, "mtn", f"m{number}")
        held = intake.read(10, 10)
        if number % 10:  # else it was killed with an entry in hand
            intake.acknowledge(held)
    for number in range(3):
        with lone.running("worker.intake", *place) as running:
            put(client, "mtn", f"n{number}")
            wait_until(lambda: f"mtn n{number}" in states(database), "it is accepted")  # noqa: B023
            running.kill()
    with lone.running("worker.intake", *place):
        wait_until(lambda: len(states(database)) == 13, "what they held is taken over")
        wait_until(lambda: len(client.xinfo_consumers(STREAM, GROUP)) == 1, "none is left but the one that lives", 10)


def test_consumers_that_are_gone_are_forgotten_but_never_with_what_they_hold(client: "redis.Redis") -> None:
    client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    for number in range(20):
        client.xgroup_createconsumer(STREAM, GROUP, f"old-{number}")
    put(client, "mtn", "m1")
    Intake(client, [STREAM], "killed", 0.5).read(10, 10)
    intake = Intake(client, [STREAM, OTHER], "mine", 0.5)
    assert intake.forget_consumers() == 0, "they were there just now"
    left = {f"old-{number}".encode() for number in range(20)}
    while left:  # on a loaded machine they are not idle for long enough all at once
        wait_until(intake.forget_consumers, "the idle ones go, with what they don't hold")
        left &= {row["name"] for row in client.xinfo_consumers(STREAM, GROUP)}
    assert {row["name"] for row in client.xinfo_consumers(STREAM, GROUP)} == {b"killed"}
    (entry,) = wait_until(lambda: intake.reclaim(10), "what it held is taken over")
    intake.acknowledge([entry])
    wait_until(lambda: intake.forget_consumers() == 1, "now it may go")
    assert {row["name"] for row in client.xinfo_consumers(STREAM, GROUP)} == {b"mine"}


def newest(client: "redis.Redis") -> list[bytes]:
    rows: Any = client.xrevrange(EVENTS, count=1)
    return [fields[b"event"] for _, fields in rows]


def events_of(client: "redis.Redis") -> list[str]:
    return [json.loads(event)["id"] for _, event in events_stream.last_events(client, 1000)]


def noted(database: "psycopg.Connection[Any]") -> int:
    """Events that were carried, and noted as such. A relay that ends between the two leaves one to be written again."""
    row = database.execute("SELECT count(*) FROM events WHERE id NOT IN (SELECT id FROM outbox)").fetchone()
    assert row is not None
    return int(row[0])


def test_a_frozen_relay_loses_its_turn_and_writes_nothing_when_it_wakes(
    place: Place, client: "redis.Redis", database: Any
) -> None:
    short = {"_LEASE_S": 1.5, "_AWAY_S": 0.1}
    with (
        lone.running("worker.intake", *place),
        lone.running("scheduler.relay", *place, short) as first,
    ):
        put(client, "mtn", "m0")
        wait_until(lambda: noted(database) == 1, "the first one has the turn")
        with lone.running("scheduler.relay", *place, short) as second:
            first.signal(signal.SIGSTOP)
            for number in range(1, 6):
                put(client, "mtn", f"m{number}")
            wait_until(lambda: noted(database) == 6, "the second one carries on", 15)
            first.signal(signal.SIGCONT)
            put(client, "mtn", "m6")
            wait_until(lambda: noted(database) == 7, "it still does", 15)
            wait_until(lambda: first.said("another relay has the turn"), "the woken one lost its lease")
            second.kill()
            put(client, "mtn", "m7")
            wait_until(lambda: noted(database) == 8, "and it waits for the next turn", 15)
    told = events_of(client)
    assert len(told) == 8, "each event once: the woken one noticed"
    assert told == sorted(told, key=lambda event: int(event.partition("-")[0]))


def test_a_killed_relay_is_followed_by_the_next_and_one_that_ends_at_once(
    place: Place, client: "redis.Redis", database: Any
) -> None:
    lease = {"_LEASE_S": 4.0, "_AWAY_S": 0.1}
    with (
        lone.running("worker.intake", *place),
        lone.running("scheduler.relay", *place, lease) as first,
        lone.running("scheduler.relay", *place, lease) as second,
    ):
        put(client, "mtn", "m0")
        wait_until(lambda: noted(database) == 1, "one of them has the turn")
        first.kill()
        put(client, "mtn", "m1")
        wait_until(lambda: noted(database) == 2, "the other one carries on", 30)
        with lone.running("scheduler.relay", *place, lease):
            second.signal(signal.SIGTERM)
            second.process.wait(30)
            put(client, "mtn", "m2")
            wait_until(lambda: noted(database) == 3, "the lease was given back", 3)
    assert len(events_of(client)) == 3


@pytest.mark.only_large
def test_a_broker_full_of_old_events_recovers_by_itself_and_is_told_of_before(
    place: Place, client: "redis.Redis", database: Any
) -> None:
    """Eight days old, all of them, and a limit that is below what they take."""
    old_ms = int((time.time() - 8 * 86_400) * 1000)
    pipeline = client.pipeline(transaction=False)
    for number in range(15_000):
        pipeline.execute_command("XADD", EVENTS, f"{old_ms}-{number}", "event", "x" * 300)  # type: ignore[no-untyped-call]
    pipeline.execute()
    with lone.running("worker.intake", *place):
        put(client, "mtn", "m1")
        wait_until(lambda: states(database), "it is accepted")
    used = broker.memory(client)
    assert used is not None
    client.config_set("maxmemory", str(used.used_bytes - 1_000_000))
    with pytest.raises(redis.OutOfMemoryError):
        client.xadd(EVENTS, {"event": "x"})
    with lone.running("scheduler.dispatcher", *place, {"judging._EVERY_S": 0.5}) as dispatcher:
        (told,) = wait_until(lambda: dispatcher.alerts("broker_nearly_full"), "it is told")
        assert told["used_mb"] >= told["limit_mb"] > 0
        with lone.running("scheduler.relay", *place):
            wait_until(lambda: client.xlen(EVENTS) < 1_000, "the old ones are gone")
            wait_until(lambda: b'"1-1"' in b"".join(newest(client)), "the new one is there")
            wait_until(lambda: dispatcher.said("an alert is cleared"), "there is room again")


def test_the_stream_is_bounded_in_entries_also_when_nothing_comes(place: Place, client: "redis.Redis") -> None:
    pipeline = client.pipeline(transaction=False)
    for number in range(5_000):
        pipeline.xadd(EVENTS, {"event": json.dumps({"id": str(number)})})
    pipeline.execute()
    with lone.running("scheduler.relay", *place, EVENTS_KEEP_ENTRIES="2000"):
        wait_until(lambda: client.xlen(EVENTS) <= 2_100, "the oldest leave")
    assert events_of(client)[-1] == "4999"


@pytest.mark.only_large
def test_an_events_key_that_is_no_stream_is_told_once_and_the_events_wait(
    place: Place, client: "redis.Redis", database: Any
) -> None:
    client.set(EVENTS, "x")
    with (
        lone.running("worker.intake", *place),
        lone.running("scheduler.relay", *place, {"_AWAY_S": 0.1}) as relay,
    ):
        put(client, "mtn", "m1")
        (told,) = wait_until(lambda: relay.alerts("events_refused"), "it is told")
        assert (EVENTS in told["event"], "WRONGTYPE" in told["reason"]) == (True, True)
        wait_until(lambda: states(database), "the intent is accepted all the same")
        time.sleep(1)
        assert len(relay.alerts("events_refused")) == 1
        client.delete(EVENTS)
        wait_until(lambda: events_of(client) == ["1-1"], "the event comes")
        wait_until(lambda: relay.said("events are written again"), "and that is said")
