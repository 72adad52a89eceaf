"""docs/threats.md, deploy/broker/users.acl: an account can do what it needs, and nothing the product rests on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from kombu.exceptions import OperationalError
from redis.exceptions import NoPermissionError

from shared.messaging import broker, events_stream, intake_stream, prefixed, tasks
from shared.messaging.events_stream import EVENTS
from shared.messaging.intake_entry import INTAKE_FIELD
from tests.support import accounts as published
from tests.support.stack import ROOT

ENTRY: Any = {INTAKE_FIELD: "{}"}
STREAM = "settlepipe:intake:bank-one"
PREFIX = "north:"
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


@pytest.fixture
def under_prefix(broker_url: str) -> Iterator[Clients]:
    """Those of the file for installations that share a database, of the one under PREFIX."""
    with broker.connect(broker_url) as owner, ExitStack() as stack:
        for name, rules in published.under(PREFIX).items():
            owner.execute_command("ACL", "SETUSER", name, *rules)
        urls = {name: _url(broker_url, name) for name in published.under(PREFIX)}
        yield {name: stack.enter_context(broker.connect(url, prefix=PREFIX)) for name, url in urls.items()}
        for name in urls:
            owner.acl_deluser(name)


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


def test_both_files_have_the_same_accounts_one_of_them_with_a_prefix_before_each_key() -> None:
    plain, under = published.rules(), published.under(PREFIX)
    assert plain.keys() == under.keys()
    for name in plain.keys() - {"fleet"}:
        assert [word.replace(f"~{PREFIX}", "~") for word in under[name]] == plain[name]
        keys = [word for word in under[name] if "~" in word]
        assert keys
        assert all(f"~{PREFIX}settlepipe:" in word or word.startswith(f"%R~{PREFIX}") for word in keys)
    fleet = [word for word in under["fleet"] if word[0] in "~&%"]
    assert fleet[:2] == [f"~{PREFIX}*", f"&{PREFIX}*"]
    assert all(word.startswith(f"&{PREFIX}/0.") for word in fleet[2:])


def test_under_a_prefix_each_does_the_same_and_nothing_beside_it(under_prefix: Clients, broker_url: str) -> None:
    """What the fleet needs is seen in a whole run (tests/acceptance/test_two_installations.py)."""
    fleet, operator = under_prefix["fleet"], under_prefix["operator"]
    upstream, reader = under_prefix["bank-one"], under_prefix["bank-one-events"]
    assert upstream.xadd(STREAM, ENTRY)
    assert intake_stream.pending(operator, STREAM) == 0
    assert fleet.xadd(EVENTS, {"event": "{}"})
    assert events_stream.events_between(reader, "0-0", 1) == events_stream.last_events(operator, 1) != []
    broker.ring(operator)
    assert broker.wait_for_ring(fleet, 1)
    app = tasks.celery_app(_url(broker_url, "fleet"), prefix=PREFIX)
    tasks.publish(app, "made-up", [(tasks.SEND, [1])])
    assert tasks.queue_length(app, "made-up") == 1
    assert app.control.ping(timeout=0.1) == []
    beside = tasks.celery_app(_url(broker_url, "fleet"), prefix="south:")
    with pytest.raises(OperationalError, match="permissions"):
        beside.control.broadcast("ping")
    for prefix in ("", "south:"):
        for client in under_prefix.values():
            assert isinstance(client, prefixed.Client)
            client.key_prefix = prefix
            _refused(partial(client.xadd, STREAM, ENTRY), partial(client.xread, {EVENTS: "0"}))
