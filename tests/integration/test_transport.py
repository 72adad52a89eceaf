"""What a worker holds of the broker's messages, while the broker is away."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import kombu as untyped
import pytest
import redis
from kombu.exceptions import KombuError

from deploy.local.home import free_ports
from shared.messaging import broker, tasks, transport

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


def test_a_queues_length_is_had_at_once_or_not_at_all() -> None:
    """The dispatcher asks for it while it holds the lane's row."""
    (port,) = free_ports(1)
    began = time.monotonic()
    with pytest.raises((KombuError, redis.RedisError)):
        tasks.queue_length(tasks.celery_app(f"redis://127.0.0.1:{port}/0"), "made-up")
    assert time.monotonic() - began < 1.5, "kombu's own patience is six seconds"
