"""docs/threats.md, deploy/broker/users.acl: an account can do what it needs, and nothing the product rests on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from redis.exceptions import NoPermissionError

from shared.messaging import broker, events_stream, intake_stream, tasks
from shared.messaging.events_stream import EVENTS
from shared.messaging.intake_entry import INTAKE_FIELD
from tests.support import accounts as published
from tests.support.stack import ROOT

ENTRY: Any = {INTAKE_FIELD: "{}"}
STREAM = "settlepipe:intake:bank-one"
Clients = dict[str, "redis.Redis"]


@pytest.fixture
def owner(broker_url: str) -> Iterator["redis.Redis"]:
    """The server, with the accounts of the file."""
    with broker.connect(broker_url) as client:
        client.xadd(EVENTS, {"event": "{}"})
        client.xadd(STREAM, ENTRY)
        for name, rules in published.rules().items():
            client.execute_command("ACL", "SETUSER", name, *rules)
        yield client
        for name in published.rules():
            client.acl_deluser(name)


@pytest.fixture
def accounts(owner: "redis.Redis", broker_url: str) -> Iterator[Clients]:
    """A client for each of them."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(broker.connect(_url(broker_url, name))) for name in published.rules()}


def _url(broker_url: str, name: str) -> str:
    parts = urlsplit(broker_url)
    return f"redis://{name}:{published.password_of(name)}@{parts.hostname}:{parts.port}/0"


def _refused(*calls: Callable[[], object]) -> None:
    for call in calls:
        with pytest.raises(NoPermissionError):
            call()


def test_the_document_recommends_the_accounts_of_the_file() -> None:
    recommended = [
        line.split()[2:]
        for line in (ROOT / "docs/threats.md").read_text().splitlines()
        if line.startswith("    ACL SETUSER")
    ]
    assert recommended
    for name, on, password, *rules in recommended:
        assert (on, password) == ("on", ">PASSWORD")
        assert published.rules()[name][2:] == rules


def test_an_upstreams_account_appends_to_its_own_stream_and_no_more(accounts: Clients) -> None:
    upstream = accounts["bank-one"]
    assert upstream.xadd(STREAM, ENTRY)
    _refused(
        lambda: upstream.xadd("settlepipe:intake:bank-two", ENTRY),
        lambda: upstream.xadd("settlepipe:intake", ENTRY),
        lambda: upstream.xadd(EVENTS, ENTRY),
        lambda: upstream.lpush("lane.billcenter", "{}"),
        lambda: upstream.lpush("jobs", "{}"),
        lambda: upstream.hset("unacked", "a", "b"),
        lambda: upstream.xrange(STREAM),
        lambda: upstream.xrange("settlepipe:intake:bank-two"),
        lambda: upstream.xread({EVENTS: "0"}),
        lambda: upstream.publish("/0.celery.pidbox", "{}"),
        lambda: upstream.delete(STREAM),
        upstream.info,
        upstream.flushall,
    )


def test_a_reader_of_events_reads_them_and_no_more(accounts: Clients) -> None:
    reader = accounts["bank-one-events"]
    assert reader.xrange(EVENTS)
    assert reader.xread({EVENTS: "0"})
    _refused(
        lambda: reader.xadd(EVENTS, ENTRY),
        lambda: reader.xtrim(EVENTS, maxlen=0),
        lambda: reader.xrange(STREAM),
        lambda: reader.xread({"settlepipe:intake": "0"}),
        lambda: reader.delete(EVENTS),
        lambda: reader.lrange("lane.billcenter", 0, -1),
        reader.info,
        reader.flushall,
    )


def test_an_operators_account_does_what_the_command_line_does(accounts: Clients) -> None:
    operator = accounts["operator"]
    intake_stream.submit(operator, STREAM, [b"{}"])
    assert not intake_stream.is_read(operator, STREAM)
    assert events_stream.last_events(operator, 1) == events_stream.events_between(operator, "0-0", 1) != []
    assert operator.info("server")
    assert broker.memory(operator)
    assert operator.llen("lane.billcenter") == 0
    assert operator.set("settlepipe:witness:made-up", "{}")
    broker.ring(operator)
    assert operator.llen("settlepipe:bell") == 1
    _refused(
        lambda: operator.xadd(EVENTS, ENTRY),
        lambda: operator.delete(EVENTS),
        lambda: operator.lpush("lane.billcenter", "{}"),
        lambda: operator.lpush("jobs", "{}"),
        lambda: operator.publish("/0.celery.pidbox", "{}"),
        lambda: operator.config_set("appendonly", "no"),
        lambda: operator.acl_setuser("operator", enabled=True, commands=["+@all"]),
        operator.flushall,
    )


def test_the_fleets_account_can_not_change_the_server_or_who_may_use_it(accounts: Clients, broker_url: str) -> None:
    """What it needs is seen in a whole run (tests/system/test_brokers.py)."""
    fleet = accounts["fleet"]
    app = tasks.celery_app(_url(broker_url, "fleet"))
    tasks.publish(app, "made-up", [(tasks.SEND, [1])])
    assert tasks.queue_length(app, "made-up") == 1
    assert fleet.info("server")
    _refused(
        lambda: fleet.set("of-another-program", "1"),
        lambda: fleet.config_set("appendonly", "no"),
        lambda: fleet.acl_setuser("fleet", enabled=True, keys=["*"]),
        fleet.keys,
        lambda: fleet.replicaof("127.0.0.1", 1),
        fleet.flushall,
        fleet.flushdb,
        fleet.shutdown,
    )
