"""A group of providers with an installation of its own: two products side by side on the same two servers."""

import base64
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from cryptography.fernet import Fernet

from deploy.sandbox.running import running_sandbox
from shared.messaging import tasks
from tests.support import accounts, audit, careful, intents, stack
from tests.support.careful import fault
from tests.support.sandbox import SandboxClient
from tests.support.stack import ROOT, Stack, wait_until

pytestmark = [pytest.mark.only_large, pytest.mark.timeout(600)]

COUNT = 60
SOURCE = "both"
PREFIXES = ("north:", "south:")
END = b"end"  # a channel of the test's own: what was said before it has been heard


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
    second = settings(another(database_url), numbered(broker_url, 1))
    with redis.Redis.from_url(second["BROKER_URL"]) as client:
        client.flushdb()
    with side_by_side(tmp_path, settings(database_url, broker_url), second, ("billcenter", "ubill"), ("mtn",)) as found:
        yield found


@contextmanager
def side_by_side(
    folder: Path, first: dict[str, str], second: dict[str, str], on: Sequence[str], there: Sequence[str]
) -> Iterator[Pair]:
    with running_sandbox() as url:
        sandbox = SandboxClient(url)
        one = stack.start_at(sandbox, folder / "first", on=on, **first)
        try:
            two = stack.start_at(sandbox, folder / "second", on=there, **second)
            pair = Pair(one, two, sandbox, second)
            try:
                yield pair
            finally:
                assert pair.second.stop() == 0
        finally:
            assert one.stop() == 0


@pytest.fixture
def twins(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Pair]:
    """Both have the lane mtn, and one database at the broker: their keys' prefixes are all that keeps them apart. Each
    has an account that may touch its own alone."""
    databases, at = (database_url, another(database_url)), urlsplit(broker_url)
    given: list[dict[str, str]] = []
    with redis.Redis.from_url(broker_url) as owner:
        for database, prefix in zip(databases, PREFIXES, strict=True):
            name = f"fleet-{prefix.strip(':')}"
            owner.execute_command("ACL", "SETUSER", name, *accounts.under(prefix)["fleet"])
            url = urlunsplit(at._replace(netloc=f"{name}:{accounts.password_of('fleet')}@{at.hostname}:{at.port}"))
            given.append(settings(database, url) | {"BROKER_KEY_PREFIX": prefix})
        with side_by_side(tmp_path, given[0], given[1], ("billcenter", "mtn"), ("mtn", "ubill")) as found:
            yield found
        for prefix in PREFIXES:
            owner.acl_deluser(f"fleet-{prefix.strip(':')}")


def another(database_url: str) -> str:
    """A second database beside this one."""
    at = urlsplit(database_url)
    name = f"{at.path.removeprefix('/')}_second"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    return urlunsplit(at._replace(path=f"/{name}"))


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


def test_two_on_one_database_of_the_brokers_are_kept_apart_by_the_prefix_of_their_keys(
    twins: Pair, broker_url: str, tmp_path: Path
) -> None:
    twins.sandbox.set_faults(*(fault(provider, "error_500_after", 0.3) for provider in ("billcenter", "mtn", "ubill")))
    both: list[Any] = [careful.mtn(SOURCE, n) for n in range(COUNT)]  # the same ids: neither knows the other's
    ours: list[Any] = [*both, *(intents.settle(SOURCE, n) for n in range(COUNT, 2 * COUNT))]
    theirs: list[Any] = [*both, *(careful.ubill(SOURCE, n) for n in range(COUNT, 2 * COUNT))]
    with redis.Redis.from_url(broker_url) as owner, owner.pubsub() as heard:
        heard.psubscribe("*")
        assert heard.get_message(timeout=5) is not None
        twins.first.submit(ours)
        wait_until(lambda: states(twins.first).get(("mtn", "succeeded"), 0) >= 3, "the first one is at work")
        assert states(twins.second) == {}
        twins.second.submit(theirs)
        wait_until(lambda: states(twins.second).get(("mtn", "succeeded"), 0) >= 3, "so is the second one")
        for one in (twins.first, twins.second):
            one.kill("worker-mtn-1")
        audit.wait_ended(twins.first, SOURCE, ours, 150)
        audit.wait_ended(twins.second, SOURCE, theirs, 150)
        for one, prefix, lanes in zip(
            (twins.first, twins.second), PREFIXES, ("billcenter mtn", "mtn ubill"), strict=True
        ):
            on = set(lanes.split())
            assert states(one) == {(lane, "succeeded"): COUNT for lane in on}
            assert told(one) == on
            workers = sorted(["jobs", *(f"{lane}-1" for lane in on)])
            wait_until(partial(_answer, broker_url, prefix, workers), "those that were killed are back")
            queues = {"jobs", *(f"lane.{lane}" for lane in on)}
            wait_until(partial(_shows, one, queues), "Flower shows its queues and no other")
            examined = {
                row["name"]: row for row in map(json.loads, one.command("doctor", "--json").stdout.splitlines())
            }
            assert examined["broker"]["ok"], examined
            assert prefix in examined["broker keys"]["sentence"]
            assert len(one.command("events", "tail", "-n", "5", "--json").stdout.splitlines()) == 5
        file = tmp_path / "more.jsonl"
        file.write_text(json.dumps(careful.mtn("more", 1)))
        assert "1 submitted" in twins.first.command("submit", str(file)).stdout
        audit.wait_ended(twins.first, "more", [careful.mtn("more", 1)], 60)
        produced = subprocess.run(
            [sys.executable, ROOT / "docs/examples/python/producer.py"],
            input=json.dumps(careful.mtn("more", 2)),
            env=os.environ | {"BROKER_URL": twins.second.told["broker_url"], "KEY_PREFIX": PREFIXES[1]},
            text=True,
            timeout=120,
            check=False,
        )
        assert produced.returncode == 0, "it has seen it accepted"
        assert [set(audit.payments(one, "more")) for one in (twins.first, twins.second)] == [
            {careful.mtn("more", number)["intent_id"]} for number in (1, 2)
        ]
        keys = owner.keys("*")
        assert {key.decode().partition(":")[0] + ":" for key in keys} == set(PREFIXES), keys
        owner.publish(END, "")  # not a silence: their workers' heartbeats need leave none
        channels = set(iter(lambda: (heard.get_message(timeout=60) or {})["channel"], END))
        assert {channel.decode().partition(":")[0] + ":" for channel in channels} == set(PREFIXES), channels
        assert refused(twins.first) == refused(twins.second) == set()
    audit.wait_ended(twins.second, "more", [careful.mtn("more", 2)], 60)
    paid = [row["reference"] for row in twins.sandbox.ledger() if row["operation"] == "settle"]
    assert (len(paid), len(set(paid))) == (4 * COUNT + 2, 4 * COUNT + 2), "each once"


def refused(one: Stack) -> set[str]:
    """The processes that met a right that they don't have."""
    logs = {log.name: log.read_text(errors="replace") for log in (one.home / "logs").iterdir()}
    return {name for name, text in logs.items() if "NOPERM" in text or "NoPermission" in text}


def _answer(broker_url: str, prefix: str, workers: list[str]) -> bool:
    """Do these workers answer Celery's ping, each of them once, and no other?"""
    answers = tasks.celery_app(broker_url, prefix=prefix).control.ping(timeout=3)
    return sorted(name.partition("@")[0] for answer in answers for name in answer) == workers


def _shows(one: Stack, queues: set[str]) -> bool:
    """Are these the queues whose length Flower knows?"""
    at = urlsplit(one.told["flower_url"])
    login = base64.b64encode(f"{at.username}:{at.password}".encode()).decode()
    for path in ("workers?refresh=1", "queues/length"):
        request = urllib.request.Request(f"http://{at.hostname}:{at.port}/api/{path}")
        request.add_header("Authorization", f"Basic {login}")
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            found = json.load(answer)
    return {queue["name"] for queue in found["active_queues"]} == queues
