"""A server went away while the intake had intents in hand, and is back: they are accepted at once.

Each process here would take over what another one left only after a minute: nothing comes back by that.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from psycopg import sql

from shared.messaging.intake_stream import GROUP, Intake
from tests.support import lone
from tests.support.intake_process import STREAM, left, put
from tests.support.stack import wait_until

OTHER = "settlepipe:intake:other"
SOON_S = 3.0
PATIENT: dict[str, Any] = {"INTAKE__RECLAIM_IDLE_S": "60"}
# As a statement that runs into a limit of its server: it is nobody's mistake, and may work the next time.
FAILS = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE 'made up' USING ERRCODE = 'query_canceled'; END $$;
CREATE TRIGGER fail BEFORE INSERT ON payments FOR EACH ROW WHEN (NEW.intent_id LIKE 'bad-%') EXECUTE FUNCTION fail();
"""
WAITING = "SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = %s)"
ENDED = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


@pytest.fixture
def client(broker_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(broker_url) as client:
        client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        yield client
        client.acl_deluser("limited")


@pytest.fixture
def administrator(database_url: str) -> Iterator["psycopg.Connection[Any]"]:
    """In another database: it goes on when the test's refuses everybody."""
    url = urlunsplit(urlsplit(database_url)._replace(path="/postgres"))
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def accepted(database_url: str) -> set[str]:
    with psycopg.connect(database_url) as connection:
        return {row[0] for row in connection.execute("SELECT intent_id FROM payments")}


def intents(*names: str) -> list[bytes]:
    return [lone.intent("mtn", name) for name in names]


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Whoever accepts something waits for a lock that lasts as long as the block, or its session."""
    holder = psycopg.connect(database_url)
    try:
        holder.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        holder.close()


def wait_for_hands(database_url: str, administrator: "psycopg.Connection[Any]") -> None:
    """Until the intake has entries in hand, and its transaction waits for the lock."""
    name = urlsplit(database_url).path[1:]
    wait_until(lambda: administrator.execute(WAITING, (name,)).fetchall(), "the intake has them in hand")


@contextmanager
def away(database_url: str, administrator: "psycopg.Connection[Any]") -> Iterator[None]:
    """PostgreSQL has ended all sessions and refuses new ones."""
    name = urlsplit(database_url).path[1:]
    allowed = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    administrator.execute(allowed.format(sql.Identifier(name), sql.SQL("false")))
    try:
        administrator.execute(ENDED, (name,))
        yield
    finally:
        administrator.execute(allowed.format(sql.Identifier(name), sql.SQL("true")))


def test_what_was_in_hand_when_postgresql_failed_is_accepted_as_soon_as_it_is_back(
    tmp_path: Path, database_url: str, broker_url: str, client: "redis.Redis", administrator: Any
) -> None:
    names = [f"ord-{number}" for number in range(700)]

    def fails_and_is_back() -> None:
        wait_for_hands(database_url, administrator)
        with away(database_url, administrator):
            tried = len(intake.said("PostgreSQL does not answer"))
            wait_until(lambda: len(intake.said("PostgreSQL does not answer")) > tried + 2, "it is tried again")
        wait_until(lambda: left(client) == 0, "all are off the queue", SOON_S)
        assert accepted(database_url) == set(names)

    put(client, *intents(*names))
    with locked(database_url), lone.running("worker.intake", tmp_path, database_url, broker_url, **PATIENT) as intake:
        fails_and_is_back()
        names.append("ord-late")
        with locked(database_url):
            put(client, *intents("ord-late"))
            fails_and_is_back()
        assert intake.alive


def test_an_intent_that_fails_again_and_again_stops_no_other_and_is_accepted_in_the_end(
    tmp_path: Path, database_url: str, broker_url: str, client: "redis.Redis"
) -> None:
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute(FAILS)
        names = [f"{'bad' if number in (3, 4) else 'ord'}-{number}" for number in range(30)]
        client.xgroup_setid(STREAM, GROUP, "0")
        put(client, *intents(*names))
        with lone.running("worker.intake", tmp_path, database_url, broker_url, **PATIENT) as intake:
            good = {name for name in names if name.startswith("ord")}
            wait_until(lambda: accepted(database_url) == good, "the others of its batch are accepted", 10)
            put(client, *intents("ord-late"))
            wait_until(lambda: "ord-late" in accepted(database_url), "and who comes later", 5)
            tried = len(intake.said("PostgreSQL does not answer"))
            wait_until(lambda: len(intake.said("PostgreSQL does not answer")) > tried + 6, "it is tried on", 30)
            pending: Any = client.xpending_range(STREAM, GROUP, "-", "+", 10)
            assert [row["times_delivered"] <= 1 for row in pending] == [True, True], "no failure counts as its own"
            database.execute("DROP TRIGGER fail ON payments")
            wait_until(lambda: accepted(database_url) == {*names, "ord-late"}, "they are accepted", 5)
            wait_until(lambda: left(client) == 0, "and off the queue", 5)
        assert database.execute("SELECT FROM quarantine").fetchall() == []


def test_an_intent_that_fails_again_and_again_keeps_nothing_from_the_take_over(
    tmp_path: Path, database_url: str, broker_url: str, client: "redis.Redis"
) -> None:
    with psycopg.connect(database_url, autocommit=True) as database:
        database.execute(FAILS)
        client.xgroup_setid(STREAM, GROUP, "0")
        put(client, *intents("ord-dead"))
        Intake(client, [STREAM], "dead", 1).read(10, 10)
        put(client, *intents("bad-1"))
        given = {**PATIENT, "INTAKE__RECLAIM_IDLE_S": "1"}
        with lone.running("worker.intake", tmp_path, database_url, broker_url, **given) as intake:
            wait_until(lambda: len(intake.said("PostgreSQL does not answer")) > 3, "it is tried on", 30)
            wait_until(lambda: "ord-dead" in accepted(database_url), "what another one held is taken over", 30)
            assert "bad-1" not in accepted(database_url)


def test_what_could_not_be_acknowledged_is_acknowledged_as_soon_as_the_broker_is_back(
    tmp_path: Path, database_url: str, broker_url: str, client: "redis.Redis", administrator: Any
) -> None:
    password = secrets.token_urlsafe(12)
    parts = urlsplit(broker_url)
    url = urlunsplit(parts._replace(netloc=f"limited:{password}@{parts.hostname}:{parts.port}"))

    def may(word: str) -> None:
        client.execute_command("ACL", "SETUSER", "limited", word, f">{password}", "~*", "&*", "+@all")  # type: ignore[no-untyped-call]

    may("on")
    names = [f"ord-{number}" for number in range(40)]
    put(client, *intents(*names))
    with ExitStack() as stack:
        with locked(database_url):
            intake = stack.enter_context(lone.running("worker.intake", tmp_path, database_url, url, **PATIENT))
            wait_for_hands(database_url, administrator)
            may("off")
            client.execute_command("CLIENT", "KILL", "USER", "limited")  # type: ignore[no-untyped-call]
        wait_until(lambda: intake.said("the broker does not answer"), "nothing could be acknowledged")
        assert accepted(database_url) == set(names)
        assert left(client) == 2 * len(names), "they are pending, and on the stream"
        may("on")
        wait_until(lambda: left(client) == 0, "they are acknowledged", SOON_S)
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM payments").fetchone()
    assert row == (len(names),)


def own(client: "redis.Redis", name: str = "mine", **given: Any) -> Intake:
    return Intake(client, [STREAM, OTHER], name, 60, **given)


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_process_reads_again_what_is_its_own_and_nobody_elses(
    broker_url: str, client: "redis.Redis", protocol: int
) -> None:
    client.xgroup_create(OTHER, GROUP, id="0", mkstream=True)
    with redis.Redis.from_url(broker_url, protocol=protocol) as one:
        _reads_again(client, own(one), own(client, "theirs"))


def _reads_again(client: "redis.Redis", mine: Intake, theirs: Intake) -> None:
    put(client, b"1", b"2")
    client.xadd(OTHER, {"intent": b"3"})
    first = mine.read(10, 1)
    put(client, b"4")
    theirs.read(10, 1)
    mine.forgive(first)
    again = mine.own(10)
    assert sorted((entry.raw or b"", entry.deliveries) for entry in again) == [(b"1", 1), (b"2", 1), (b"3", 1)]
    assert mine.own(10) == [], "all were read in this turn"
    assert sorted((entry.raw or b"", entry.deliveries) for entry in mine.own(10)) == [(b"1", 2), (b"2", 2), (b"3", 2)]
    mine.acknowledge(again)
    assert mine.own(10) == mine.own(10) == []
    assert [entry.raw for entry in theirs.own(10)] == [b"4"]


def test_what_was_taken_over_meanwhile_is_its_own_no_longer(client: "redis.Redis") -> None:
    mine, quick = own(client), Intake(client, [STREAM], "quick", 0.0)
    put(client, b"1", b"2", b"3")
    mine.read(10, 1)
    assert next(quick.reclaim(1)).raw == b"1"
    assert [entry.raw for entry in mine.own(10)] == [b"2", b"3"]


def test_its_own_come_within_the_bounds_and_each_in_its_turn(client: "redis.Redis") -> None:
    mine = own(client, max_bytes=1000)
    raws = [b"%d" % number + b"x" * 300 for number in range(9)]
    put(client, *raws)
    while mine.read(100, 1):
        pass
    turns = iter(lambda: [entry.raw for entry in mine.own(5)], [])
    assert [len(turn) for turn in turns] == [4, 4, 1]
    assert [entry.raw for entry in mine.own(2)] == raws[:2]
    assert [entry.raw for entry in mine.own(1)] == raws[2:3], "a turn goes on where the last one ended"


def test_what_was_deleted_meanwhile_is_no_longer_pending(client: "redis.Redis") -> None:
    mine = own(client)
    put(client, b"1", b"2", json.dumps({}).encode())
    client.xdel(STREAM, mine.read(10, 1)[1].entry_id)
    assert [entry.raw for entry in mine.own(10)] == [b"1", b"{}"]
    assert client.xpending(STREAM, GROUP)["pending"] == 2


def test_a_stream_that_is_gone_holds_nothing(client: "redis.Redis") -> None:
    mine = own(client)
    put(client, b"1")
    mine.read(10, 1)
    client.delete(STREAM)
    client.set(OTHER, "no stream")
    assert mine.own(10) == []
