"""The doorbell: who rings says for which lane, and only that lane is looked at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.database.engine import Connection
from shared.messaging import broker
from shared.messaging.intake_entry import INTAKE_FIELD
from tests.support import lone
from tests.support.stack import wait_until

BELL = "settlepipe:bell"


@pytest.fixture
def client(broker_url: str) -> Iterator["redis.Redis"]:
    with broker.connect(broker_url) as client:
        yield client


def test_all_rings_until_now_are_heard_at_once(client: "redis.Redis") -> None:
    broker.ring(client, ["mtn"])
    broker.ring(client, ["ubill", "mtn"])
    broker.ring(client)
    assert broker.wait_for_ring(client, 1) == {"mtn", "ubill", "*"}
    assert broker.wait_for_ring(client, 0.001) == set()


def test_rings_that_nobody_hears_do_not_pile_up(client: "redis.Redis") -> None:
    for _ in range(1_005):
        broker.ring(client, ["mtn"])
    assert client.llen(BELL) == 1_000


def test_a_ring_is_answered_for_its_lane_and_an_older_versions_for_all(
    connection: Connection, client: "redis.Redis", tmp_path: Path, database_url: str, broker_url: str
) -> None:
    """With no interval to speak of: after the first look at all, what is dispatched was rung for."""
    place, stream = (tmp_path, database_url, broker_url), "settlepipe:intake"
    with lone.running("worker.intake", *place):
        for lane in ("ubill", "mtn"):
            client.xadd(stream, {INTAKE_FIELD: lone.intent(lane, f"{lane}-1")})
        wait_until(lambda: connection.execute("SELECT FROM payments").rowcount == 2, "both are accepted")
    client.delete(BELL)  # its process is gone: nobody rings any more
    with lone.running("scheduler.dispatcher", *place, DISPATCH_INTERVAL_S="3600"):
        wait_until(lambda: client.llen("lane.ubill") == client.llen("lane.mtn") == 1, "it looked at all")
        connection.execute("UPDATE payments SET due_at = clock()")  # nobody claimed them: they are due again
        broker.ring(client, ["mtn"])
        wait_until(lambda: client.llen("lane.mtn") == 2, "somebody rang for mtn")
        assert client.llen("lane.ubill") == 1, "it is not looked at, or would be before mtn"
        client.lpush(BELL, 1)
        wait_until(lambda: client.llen("lane.ubill") == 2, "somebody rang for any")
        with lone.running("worker.intake", *place):
            client.xadd(stream, {INTAKE_FIELD: lone.intent("mtn", "mtn-2")})
            wait_until(lambda: client.llen("lane.mtn") == 3, "and so does an intake for what it accepted")
