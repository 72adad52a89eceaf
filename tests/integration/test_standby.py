"""Reads of what may be late go to a standby; how late it is, is said; what a decision rests on is the primary's."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from deploy.local import pooling
from scheduler.gathered import Gathering
from shared.database import chosen, migrate, session, standby
from shared.messaging import broker
from shared.settings import Settings
from tests.integration.conftest import Run
from tests.support.cluster import Server, primary
from tests.support.flow import World, running_world
from tests.support.stack import wait_until

pytestmark = pytest.mark.timeout(300)


@contextmanager
def followed() -> Iterator[tuple[World, Server]]:
    """A world, and a standby of its database."""
    with primary() as server:
        migrate.upgrade(server.url)
        follower = server.standby("follower")
        with running_world(server.url) as world:
            yield world, follower


def listed(command: Run) -> list[str]:
    status, out, err = command("payments", "--json")
    assert (status, err) == (0, "")
    return [json.loads(line)["intent_id"] for line in out.splitlines()]


def standby_check(settings: Settings) -> tuple[bool, str]:
    (found,) = [check for check in pooling.examine(settings) if check.name == "standby"]
    return found.ok, found.sentence


def samples(settings: Settings, broker_url: str) -> dict[tuple[Any, ...], float]:
    with broker.connect(broker_url) as client:
        gathering = Gathering(settings, client)
        gathering.count()
        return {(name, *labels): value for name, labels, value in gathering.samples()}


def test_lists_exports_and_counts_are_the_standbys_and_what_is_decided_on_the_primarys(
    database_url: str, broker_url: str, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with followed() as (world, follower):
        for name, url in (("DATABASE_URL", world.url), ("DATABASE_READ_URL", follower.url), ("BROKER_URL", broker_url)):
            monkeypatch.setenv(f"SETTLEPIPE_{name}", url)
        settings = Settings(database_url=SecretStr(world.url), database_read_url=SecretStr(follower.url))
        first = world.payment(world.pay())["intent_id"]
        wait_until(lambda: listed(command) == [first], "the standby has it", 60)
        ok, sentence = standby_check(settings)
        assert (ok, "s old at most" in sentence) == (True, True)

        follower.asked("SELECT pg_wal_replay_pause()")
        second = world.payment(world.pay())["intent_id"]
        assert listed(command) == [first]
        assert command("export")[1].count("\n") == 1
        assert command("payment", f"shop/{second}")[0] == 0, "what a decision rests on"
        with session.connect(follower.url, "test") as late:
            paused_s = standby.late_s(late)
            assert paused_s is not None
            told = samples(settings, broker_url)
            assert told["counted_age_seconds",] >= paused_s
        assert told["up",] == 1, "what stands is the primary's"
        monkeypatch.setattr(pooling, "_LATE_S", 0.0)
        assert standby_check(settings)[0] is False

        follower.asked("SELECT pg_wal_replay_resume()")
        wait_until(lambda: listed(command) == [second, first], "it follows again", 60)
        other = settings.model_copy(update={"database_read_url": SecretStr(database_url)})
        assert "leads to another database" in standby_check(other)[1]
        itself = settings.model_copy(update={"database_read_url": SecretStr(world.url)})
        assert standby_check(itself) == (True, "it is no standby, so nothing is late there")


def test_without_one_everything_is_read_where_it_is_written(database_url: str) -> None:
    settings = Settings(database_url=SecretStr(database_url))
    assert [check.name for check in pooling.examine(settings)] == []
    with ExitStack() as stack:
        pool = chosen.reading(settings, 1, "test")
        stack.callback(pool.dispose)
        with pool.connection() as connection:
            assert standby.late_s(connection) is None
            connection.execute("SELECT pg_current_wal_lsn()")  # a standby has none
