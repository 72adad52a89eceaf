"""A group of providers with an installation of its own: two products side by side on the same two servers."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from cryptography.fernet import Fernet

from deploy.sandbox.running import running_sandbox
from tests.support import audit, careful, intents, stack
from tests.support.careful import fault
from tests.support.sandbox import SandboxClient
from tests.support.stack import Stack, wait_until

pytestmark = [pytest.mark.only_large, pytest.mark.timeout(600)]

COUNT = 60
SOURCE = "both"


@dataclass
class Pair:
    """first: billcenter and ubill. second: mtn, with a database of its own, and a number of its own at the broker."""

    first: Stack
    second: Stack
    sandbox: SandboxClient
    more: dict[str, str]


def settings(database_url: str, broker_url: str) -> dict[str, str]:
    """Of one installation: where it is, and keys of its own."""
    key = Fernet.generate_key().decode()
    where = {"DATABASE_URL": database_url, "BROKER_URL": broker_url}
    short = {"CHECK__LADDER_S": json.dumps([0, 1, 1.5, 1.5, 2, 2]), "UBILL__SETTLE_WINDOW_S": "1.5"}
    return {**where, **short, "MTN__SETTLE_WINDOW_S": "1.5", "SECRET_KEYS": json.dumps([key]), "REFERENCE_KEY": key}


@pytest.fixture
def pair(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Pair]:
    at = urlsplit(database_url)
    name = f"{at.path.removeprefix('/')}_second"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    second = settings(urlunsplit(at._replace(path=f"/{name}")), numbered(broker_url, 1))
    with redis.Redis.from_url(second["BROKER_URL"]) as client:
        client.flushdb()
    first = settings(database_url, broker_url)
    with running_sandbox() as url:
        sandbox = SandboxClient(url)
        one = stack.start_at(sandbox, tmp_path / "first", on=("billcenter", "ubill"), **first)
        try:
            two = stack.start_at(sandbox, tmp_path / "second", on=("mtn",), **second)
            pair = Pair(one, two, sandbox, second)
            try:
                yield pair
            finally:
                assert pair.second.stop() == 0
        finally:
            assert one.stop() == 0


def numbered(broker_url: str, number: int) -> str:
    return urlunsplit(urlsplit(broker_url)._replace(path=f"/{number}"))


def states(one: Stack) -> dict[tuple[str, str], int]:
    rows = one.query("SELECT provider, state, count(*) AS n FROM payments GROUP BY provider, state")
    return {(row["provider"], row["state"]): row["n"] for row in rows}


def told(one: Stack) -> set[str]:
    """The providers that the events on its stream are about."""
    return {event["data"]["provider"] for event in one.events() if event["type"].startswith("settlepipe.payment.")}


def test_each_settles_what_is_its_own_and_neither_sees_the_other(pair: Pair) -> None:
    pair.sandbox.set_faults(
        *(fault(provider, "error_500_after", 0.3) for provider in ("billcenter", "mtn")),
        fault("ubill", "hang_after", 0.1),
    )
    ours: list[Any] = [
        *(intents.settle(SOURCE, n) for n in range(COUNT)),
        *(careful.ubill(SOURCE, n) for n in range(COUNT)),
    ]
    theirs: list[Any] = [careful.mtn(SOURCE, n) for n in range(COUNT)]
    pair.first.submit(ours)
    pair.second.submit(theirs)
    wait_until(lambda: sum(states(pair.second).values()) == COUNT, "all are accepted")
    # The second one is upgraded meanwhile: stopped in the middle of its work, and started again.
    assert pair.second.stop() == 0
    pair.second = stack.start_at(pair.sandbox, pair.second.home, on=("mtn",), **pair.more)
    audit.wait_ended(pair.first, SOURCE, ours, 150)
    audit.wait_ended(pair.second, SOURCE, theirs, 150)
    assert states(pair.first) == {("billcenter", "succeeded"): COUNT, ("ubill", "succeeded"): COUNT}
    assert states(pair.second) == {("mtn", "succeeded"): COUNT}
    paid = [row["reference"] for row in pair.sandbox.ledger() if row["operation"] == "settle"]
    assert (len(paid), len(set(paid))) == (3 * COUNT, 3 * COUNT), "each once"
    assert (told(pair.first), told(pair.second)) == ({"billcenter", "ubill"}, {"mtn"})


def test_what_comes_to_the_wrong_one_is_not_sent(pair: Pair) -> None:
    settle = intents.settle(SOURCE, 1)
    pair.first.submit([settle])
    audit.wait_ended(pair.first, SOURCE, [settle], 60)
    refund, stray = intents.refund(SOURCE, 1), careful.mtn(SOURCE, 2)
    pair.first.submit([stray])
    pair.second.submit([refund])
    audit.wait_ended(pair.first, SOURCE, [stray], 60)
    assert states(pair.first) == {("billcenter", "succeeded"): 1, ("mtn", "refused"): 1}
    audit.wait_ended(pair.second, SOURCE, [refund], 60)
    assert states(pair.second) == {("billcenter", "refused"): 1}, "billcenter is off there"
    pair.first.submit([refund])
    audit.wait_ended(pair.first, SOURCE, [refund], 60)
    assert states(pair.first)[("billcenter", "succeeded")] == 2, "it is known where its settle is"
    assert [row["operation"] for row in pair.sandbox.ledger()] == ["settle", "refund"]
