"""The relay as a process delivers to webhooks: killed at any moment, beside one that hangs, and stopped."""

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from shared.database import leases
from shared.database.engine import Database
from shared.settings.webhooks import WebhookSettings
from shared.webhooks import keep
from shared.webhooks.sign import Vault
from tests.support import lone
from tests.support.receiver import Got, Receiver, receiving, waited

pytestmark = pytest.mark.only_large

ALLOWED = WebhookSettings(allow_http=True, allow_networks=("127.0.0.0/8",))
SETTINGS = {
    "WEBHOOKS__ALLOW_HTTP": "true",
    "WEBHOOKS__ALLOW_NETWORKS": '["127.0.0.0/8"]',
    "WEBHOOKS__BASE_S": "0.2",
    "WEBHOOKS__CAP_S": "0.5",
}
PAYMENTS, STEPS, BATCH = 200, 4, 20
# So that nobody waits for a killed one's for long.
SHORT = {"leases.LENGTH_S": 1.0, "_LEASE_S": 1.0}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url, pool_size=1)
    yield found
    found.dispose()


def hook(database: Database, receiver: Receiver, source: str = "shop") -> int:
    with database.transaction() as connection:
        number, secret = keep.add(
            connection,
            Vault([SecretStr(lone.KEY)]),
            ALLOWED,
            source,
            receiver.url,
            position=0,
            since=None,
            by="Ann",
        )
    receiver.secrets.append(secret)
    return number


def write(database_url: str, *names: str, source: str = "shop") -> None:
    """Events `payment-step`, as they are written: the relay has to carry them first."""
    with psycopg.connect(database_url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO events (event_id, type, subject, data) VALUES (%s, 'settlepipe.payment.accepted', %s, '{}')",
            [(name, f"{source}/{name.rpartition('-')[0]}") for name in names],
        )


def wait_for(receiver: Receiver, count: int) -> None:
    """Until so many requests came."""
    waited(lambda: len(receiver.got) >= count)


def test_killed_at_any_moment_each_event_comes_in_order_and_few_come_twice(
    tmp_path: Path, database: Database, database_url: str, broker_url: str
) -> None:
    draw = random.Random(20)
    names = [f"p{payment}-{step}" for step in range(STEPS) for payment in range(PAYMENTS)]

    def answer(got: Got) -> tuple[int, dict[str, str]]:
        return (500 if draw.random() < 0.02 else 200), {}

    with receiving(answer) as receiver:
        hook(database, receiver)
        kills = 0
        while len(set(receiver.ids())) < len(names):
            begun = len(receiver.got)
            if kills < STEPS:
                write(database_url, *names[kills * PAYMENTS : (kills + 1) * PAYMENTS])
            with lone.running(
                "scheduler.relay",
                tmp_path,
                database_url,
                broker_url,
                SHORT,
                WEBHOOKS__BATCH=str(BATCH),
                **SETTINGS,
            ) as process:
                if kills < STEPS:
                    share = draw.randrange(1, PAYMENTS)
                    wait_for(receiver, begun + share)
                    time.sleep(draw.random() * 0.05)
                    process.kill()
                    kills += 1
                else:
                    waited(lambda: len(set(receiver.ids())) == len(names), 60)
    assert kills == STEPS
    assert receiver.refused == 0
    times = Counter(receiver.ids())
    assert set(times) == set(names)
    assert sum(times.values()) - len(names) <= kills * BATCH, "what a killed one had not noted, and nothing else"
    for payment in range(PAYMENTS):
        first = list(dict.fromkeys(one for one in receiver.ids() if one.startswith(f"p{payment}-")))
        assert first == [f"p{payment}-{step}" for step in range(STEPS)]


def test_receivers_that_hang_hold_up_nobody_else(
    tmp_path: Path, database: Database, database_url: str, broker_url: str
) -> None:
    def hangs(_: Got) -> tuple[int, dict[str, str]]:
        time.sleep(3)
        return 200, {}

    with receiving(hangs) as slow, receiving() as good:
        for source in ("slow1", "slow2", "slow3"):
            hook(database, slow, source)
        hook(database, good)
        started = {**SETTINGS, "WEBHOOKS__TIMEOUT_S": "2", "WEBHOOKS__SLOTS": "4"}
        with lone.running("scheduler.relay", tmp_path, database_url, broker_url, {}, **started):
            for source in ("slow1", "slow2", "slow3"):
                write(database_url, *(f"s{n}-1" for n in range(30)), source=source)
            waited(lambda: len(slow.got) >= 3)
            write(database_url, *(f"p{n}-1" for n in range(50)))
            began = time.monotonic()
            good.wait(50)
            assert time.monotonic() - began < 10
        assert len(slow.taken) < 90


def test_two_processes_share_and_who_is_stopped_notes_what_it_sent(
    tmp_path: Path, database: Database, database_url: str, broker_url: str
) -> None:
    with receiving() as receiver:
        number = hook(database, receiver)
        with (
            lone.running("scheduler.relay", tmp_path, database_url, broker_url, {}, **SETTINGS) as first,
            lone.running("scheduler.relay", tmp_path, database_url, broker_url, {}, **SETTINGS),
        ):
            write(database_url, *(f"p{n}-1" for n in range(100)))
            receiver.wait(20)
            first.signal(signal.SIGTERM)
            receiver.wait(100)
            waited(lambda: not first.alive)
            write(database_url, *(f"q{n}-1" for n in range(10)))
            receiver.wait(110)
        assert sorted(receiver.ids()) == sorted({*receiver.ids()}), "each once"
    with database.connection() as connection:
        row = connection.execute("SELECT delivered FROM webhooks WHERE id = %s", (number,)).fetchone()
    assert row == {"delivered": 110}


def test_who_is_stopped_while_a_receiver_hangs_leaves_it_to_another_one_at_once(
    tmp_path: Path, database: Database, database_url: str, broker_url: str
) -> None:
    hangs, ends = threading.Event(), threading.Event()

    def answer(_: Got) -> tuple[int, dict[str, str]]:
        if not hangs.is_set():
            hangs.set()
            ends.wait(60)
        return 200, {}

    started = {**SETTINGS, "WEBHOOKS__TIMEOUT_S": "60"}
    with receiving(answer) as receiver:
        hook(database, receiver)
        with lone.running("scheduler.relay", tmp_path, database_url, broker_url, {}, **started) as first:
            write(database_url, "p1-1", "p1-2")
            waited(hangs.is_set)
            with lone.running("scheduler.relay", tmp_path, database_url, broker_url, {}, **started):
                first.signal(signal.SIGTERM)
                began = time.monotonic()
                assert receiver.wait(2) == ["p1-1", "p1-2"]
                assert time.monotonic() - began < 0.7 * leases.LENGTH_S, "its lease was given back"
                waited(lambda: not first.alive)
                ends.set()


def test_without_keys_that_read_secrets_the_relay_relays_and_says_so(
    tmp_path: Path, database: Database, database_url: str, broker_url: str
) -> None:
    with receiving() as receiver:
        hook(database, receiver)
        with lone.running(
            "scheduler.relay", tmp_path, database_url, broker_url, {}, SECRET_KEYS="[]", **SETTINGS
        ) as one:
            assert one.said("delivers to no webhook")
            write(database_url, "p-1")

            def carried() -> bool:
                with database.connection() as connection:
                    row = connection.execute("SELECT count(*) AS n FROM events JOIN outbox USING (id)").fetchone()
                return row == {"n": 0}

            waited(carried)
            assert json.dumps(receiver.ids()) == "[]"
