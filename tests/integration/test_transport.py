"""What a worker holds of the broker's messages, while the broker is away."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from queue import Empty
from typing import Any
from urllib.parse import urlsplit

import kombu as untyped
import pytest
import redis
from flower.utils.broker import Broker
from kombu.exceptions import ChannelError, KombuError

from deploy.local.home import free_ports
from shared.messaging import broker, links, tasks, transport
from shared.settings import broker_address
from tests.support.stack import ROOT

PLACES = 3
kombu: Any = untyped  # has no types


class Away:
    """A broker that every session but the reader's has lost, and to which nobody can log in."""

    def __init__(self, url: str) -> None:
        self._owner = broker.connect(url)
        self._right = urlsplit(url).password or ""

    def __enter__(self) -> None:
        mine = self._owner.client_id()
        self._owner.config_set("requirepass", "made-up-another")
        for session in self._owner.client_list():
            if session["cmd"] != "brpop" and int(session["id"]) != mine:
                self._owner.client_kill_filter(_id=session["id"])

    def __exit__(self, *_: object) -> None:
        self._owner.config_set("requirepass", self._right)


@pytest.fixture
def connection(broker_url: str) -> Iterator[Any]:
    with kombu.Connection(broker_url, transport=transport.NAME) as found:
        yield found


@pytest.mark.parametrize("end", ["ack", "reject", "requeue"])
def test_what_can_not_be_acknowledged_takes_no_place_for_ever(connection: Any, broker_url: str, end: str) -> None:
    got: list[Any] = []
    queue = connection.SimpleQueue("lane.made-up")
    for number in range(2 * PLACES):
        queue.put(number)
    with connection.channel() as channel, kombu.Consumer(channel, [kombu.Queue("lane.made-up")]) as consumer:
        consumer.qos(prefetch_count=PLACES)
        consumer.register_callback(lambda _, message: got.append(message))
        while len(got) < PLACES:
            connection.drain_events(timeout=5)
        with Away(broker_url):
            for message in got:
                with pytest.raises(redis.ConnectionError):
                    getattr(message, end)()
        while len(got) < 2 * PLACES:
            with contextlib.suppress(redis.ConnectionError):  # of the session that is found dead
                connection.drain_events(timeout=5)
    assert [message.payload for message in got] == list(range(2 * PLACES))


def test_two_installations_share_a_server_by_the_number_of_their_database(broker_url: str) -> None:
    """Celery's control too, though publishing knows no databases: kombu puts the number into its channels' names."""
    mine, other = (tasks.celery_app(broker_url.removesuffix("/0") + f"/{number}") for number in (0, 1))
    with broker.connect(broker_url) as client, client.pubsub() as heard:
        heard.psubscribe("*")
        assert heard.get_message(timeout=5) is not None  # that it listens
        tasks.publish(mine, "made-up", [(tasks.SEND, [1])])
        assert [tasks.queue_length(app, "made-up") for app in (mine, other)] == [1, 0]
        for app, channel in ((mine, b"/0.celery.pidbox"), (other, b"/1.celery.pidbox")):
            app.control.broadcast("ping")
            message = heard.get_message(timeout=5)
            assert message is not None
            assert message["channel"] == channel


def under(url: str, prefix: str) -> Any:
    """A connection as the product's, whose unfinished messages come back after half a second."""
    told = links.celery(broker_address.read(url), prefix=prefix)["broker_transport_options"]
    return kombu.Connection(url, transport=transport.NAME, transport_options=told | {"visibility_timeout": 0.5})


TAKES = """
import sys, time
from kombu import Consumer, Queue
from tests.integration.test_transport import under
with under(sys.argv[1], sys.argv[2]) as connection, connection.channel() as channel:
    taken = []
    consumer = Consumer(channel, [Queue("lane.made-up")])
    consumer.register_callback(lambda _, message: taken.append(message))
    with consumer:
        while not taken:
            connection.drain_events(timeout=30)
        print("taken", flush=True)
        time.sleep(600)
"""


def test_what_a_killed_worker_had_in_hand_comes_back_under_its_own_prefix(broker_url: str) -> None:
    """kombu's keys of what is not acknowledged have the prefix, and so has what puts it back."""
    with under(broker_url, "north:") as north, under(broker_url, "south:") as south:
        north.SimpleQueue("lane.made-up").put(7)
        command = [sys.executable, "-c", TAKES, broker_url, "north:"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as taker:
            assert taker.stdout is not None
            assert taker.stdout.readline() == b"taken\n"
            with redis.Redis.from_url(broker_url) as owner:
                assert owner.hlen("north:unacked") == owner.zcard("north:unacked_index") == 1
                taker.kill()
                taker.wait()
                time.sleep(0.6)  # until it counts as lost
                with under(broker_url, "") as bare:
                    assert [back(other) for other in (south, bare)] == [None, None]
                message = back(north)
                assert message is not None
                assert (message.payload, message.headers["redelivered"]) == (7, True)
                message.ack()
                names = {key.decode() for key in owner.scan_iter()}
        assert {name for name in names if not name.startswith(("north:", "south:"))} <= BINDINGS, "of the bare one"
        assert not names & {"north:unacked", "north:unacked_index", "north:unacked_mutex", "north:lane.made-up"}


BINDINGS = {f"_kombu.{name}.lane.made-up" for name in ("binding", "binding_permanent")}


def back(connection: Any) -> Any:
    """What comes once this one has put back what was lost, as a worker does now and then; None: nothing."""
    queue = connection.SimpleQueue("lane.made-up")
    queue.channel.qos.restore_visible(interval=1)
    try:
        return queue.get(timeout=2)
    except Empty:
        return None


def test_kombu_and_flower_see_what_is_on_a_queue_under_its_prefix(broker_url: str) -> None:
    app = tasks.celery_app(broker_url, prefix="north:")
    tasks.publish(app, "made-up", [(tasks.SEND, [1]), (tasks.SEND, [2])])
    with app.connection_for_read() as connection:
        declared = connection.default_channel.queue_declare("lane.made-up", passive=True)
        assert declared.message_count == 2
        with pytest.raises(ChannelError):
            connection.default_channel.queue_declare("lane.another", passive=True)
    page = Broker(app.conf.broker_url, broker_options=app.conf.broker_transport_options)
    assert asyncio.run(page.queues(["lane.made-up"])) == [{"name": "lane.made-up", "messages": 2}]


def test_a_queues_length_is_had_at_once_or_not_at_all() -> None:
    """The dispatcher asks for it while it holds the lane's row."""
    (port,) = free_ports(1)
    began = time.monotonic()
    with pytest.raises((KombuError, redis.RedisError)):
        tasks.queue_length(tasks.celery_app(f"redis://127.0.0.1:{port}/0"), "made-up")
    assert time.monotonic() - began < 1.5, "kombu's own patience is six seconds"
