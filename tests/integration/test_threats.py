"""docs/threats.md: the accounts that it recommends can do what they need, and nothing that the product rests on."""

import shlex
from typing import Any

import pytest
import redis

from shared.messaging import broker
from shared.messaging.events_stream import EVENTS
from shared.messaging.intake_stream import INTAKE_FIELD
from tests.support.stack import ROOT

_ACCOUNTS = [
    shlex.split(line)
    for line in (ROOT / "docs/threats.md").read_text().splitlines()
    if line.startswith("    ACL SETUSER")
]
ENTRY: Any = {INTAKE_FIELD: "{}"}


@pytest.fixture
def accounts(broker_url: str) -> dict[str, "redis.Redis"]:
    """A client for each account, made by the document's own commands; the name is as it stands there."""
    owner = broker.connect(broker_url)
    owner.xadd(EVENTS, {"event": "{}"})
    for words in _ACCOUNTS:
        owner.execute_command(*words)  # type: ignore[no-untyped-call]
    clients = {}
    for words in _ACCOUNTS:
        client = broker.connect(broker_url)
        client.connection_pool.connection_kwargs.update(username=words[2], password=words[4].removeprefix(">"))
        clients[words[2]] = client
    return clients


def test_an_upstreams_account_appends_to_its_own_stream_and_no_more(accounts: dict[str, "redis.Redis"]) -> None:
    upstream = accounts["bank-one"]
    assert upstream.xadd("settlepipe:intake:bank-one", ENTRY)
    for refused in (
        lambda: upstream.xadd("settlepipe:intake:bank-two", ENTRY),
        lambda: upstream.xadd(EVENTS, ENTRY),
        lambda: upstream.lpush("lane.billcenter", "{}"),
        lambda: upstream.xrange("settlepipe:intake:bank-one"),
        lambda: upstream.publish("celery.pidbox", "{}"),
        lambda: upstream.delete("settlepipe:intake:bank-one"),
        upstream.flushall,
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            refused()


def test_a_reader_of_events_reads_them_and_no_more(accounts: dict[str, "redis.Redis"]) -> None:
    reader = accounts["bank-one-events"]
    assert reader.xrange(EVENTS)
    assert reader.xread({EVENTS: "0"})
    for refused in (
        lambda: reader.xadd(EVENTS, ENTRY),
        lambda: reader.xtrim(EVENTS, maxlen=0),
        lambda: reader.xrange("settlepipe:intake"),
        lambda: reader.delete(EVENTS),
        reader.flushall,
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            refused()
