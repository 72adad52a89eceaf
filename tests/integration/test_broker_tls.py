"""Every client of the broker goes over TLS, shows its certificate, and talks to nobody but the server that it means."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kombu as untyped
import kombu.pools as untyped_pools
import pytest
import redis
from flower.utils.broker import Broker
from kombu.exceptions import KombuError
from pydantic import SecretStr

from deploy.local import brokers
from shared import process
from shared.health import watch
from shared.health.state import BROKER, CELERY, Health
from shared.messaging import tasks
from shared.settings import Settings, SettingsError
from shared.settings.sections import BrokerTlsSettings
from tests.support.authority import Authority
from tests.support.stack import wait_until
from tests.support.tls_link import Link, tls_link

LANE = "made-up"
kombu: Any = untyped  # has no types
reset: Any = untyped_pools.reset


@dataclass(frozen=True)
class Place:
    """A broker behind TLS, and the settings of who may talk to it."""

    link: Link
    settings: Settings
    authority: Authority

    def but(self, **tls: Path | None) -> Settings:
        """The settings with these files in the place of the right ones."""
        changed = self.settings.broker_tls.model_copy(update=tls)
        return self.settings.model_copy(update={"broker_tls": changed})


@pytest.fixture(params=["127.0.0.1"])
def place(broker_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    authority, port = Authority(tmp_path), urlsplit(broker_url).port
    assert port is not None
    mine = authority.signed("client", "client.invalid")
    with tls_link(port, authority, authority.signed("server", request.param)) as link:
        url = SecretStr(broker_url.replace("redis://", "rediss://").replace(f":{port}/", f":{link.port}/"))
        tls = BrokerTlsSettings(ca_file=authority.ca, cert_file=mine.cert, key_file=mine.key)
        settings = Settings(home=tmp_path / "home", broker_url=url, celery_url=url, broker_tls=tls)
        yield Place(link, settings, authority)


def _streams(settings: Settings) -> object:
    with process.broker(settings) as client:
        return client.ping()


def _workers(settings: Settings) -> object:
    """What a worker reads with, and what a dispatcher writes with."""
    app = process.celery(settings)
    app.conf.broker_transport_options |= {"max_retries": 1, "interval_start": 0, "interval_step": 0}
    tasks.publish(app, LANE, [(tasks.SEND, [1, 2])])
    assert tasks.queue_length(app, LANE) == 1
    with app.connection_for_read() as connection, contextlib.closing(connection.SimpleQueue(f"lane.{LANE}")) as queue:
        message = queue.get(timeout=5)
        message.ack()
        return message.payload


def _flower(settings: Settings) -> object:
    """The page `Broker`, as Flower itself asks."""
    app = process.celery(settings, "settlepipe-flower")
    with app.connection() as connection:
        url, conf = connection.as_uri(include_password=True), app.conf
    asked = Broker(url, broker_options=conf.broker_transport_options, broker_use_ssl=conf.broker_use_ssl)
    return asyncio.run(asked.queues([f"lane.{LANE}"]))


def _doctor(settings: Settings) -> object:
    found = list(brokers.examine(settings))
    if not found[0].ok:
        raise ConnectionError(found[0].sentence)
    return found


def _probes(settings: Settings) -> object:
    """What readiness rests on, once for each server."""
    health = Health(announce=lambda: None)
    assert settings.broker_url is not None
    url, tls = settings.broker_url.get_secret_value(), settings.broker_tls
    for asks in (watch.broker(health, url, tls), watch.queues(health, url, tls)):
        with asks as ask:
            ask()
    told = health.ready()[1]
    return told[BROKER], told[CELERY]


CLIENTS: dict[str, Callable[[Settings], object]] = {
    "streams": _streams,
    "workers": _workers,
    "flower": _flower,
    "doctor": _doctor,
    "probes": _probes,
}
AWAY = (redis.RedisError, KombuError, OSError)


def came(link: Link) -> Link:
    """The link, once it has noted whom it turned away: a client may know of it first."""
    wait_until(lambda: link.refused, "somebody was turned away")
    return link


@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_is_let_in_with_the_certificate_that_is_set(place: Place, client: str) -> None:
    assert CLIENTS[client](place.settings)
    assert place.link.let_in > 0
    assert place.link.refused == []


@pytest.mark.parametrize("client", CLIENTS)
def test_no_client_goes_on_with_a_server_that_another_authority_vouches_for(
    place: Place, client: str, tmp_path: Path
) -> None:
    for wrong in (Authority(tmp_path / "another").ca, None):
        with pytest.raises(AWAY):
            CLIENTS[client](place.but(ca_file=wrong))
    assert place.link.let_in == 0
    assert came(place.link).spoke_tls


@pytest.mark.parametrize("place", ["another.invalid"], indirect=True)
@pytest.mark.parametrize("client", CLIENTS)
def test_no_client_goes_on_with_a_server_of_another_name(place: Place, client: str) -> None:
    with pytest.raises(AWAY):
        CLIENTS[client](place.settings)
    assert place.link.let_in == 0
    assert came(place.link).spoke_tls


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_without_its_certificate_is_told_so(place: Place, client: str) -> None:
    with pytest.raises(AWAY):
        CLIENTS[client](place.but(cert_file=None, key_file=None))
    assert place.link.let_in == 0


def test_what_kombu_itself_makes_of_a_bare_url_is_verified_too(place: Place) -> None:
    assert place.settings.broker_url is not None
    process.celery(place.settings)  # has kombu take the product's transports
    with (
        pytest.raises(AWAY),
        kombu.Connection(place.settings.broker_url.get_secret_value(), transport_options={"max_retries": 0}) as bare,
    ):
        bare.default_channel  # noqa: B018 - connects
    assert place.link.let_in == 0
    assert came(place.link).spoke_tls


@pytest.mark.parametrize("place", ["127.0.0.1", "another.invalid"], indirect=True)
def test_rabbitmqs_client_verifies_too(place: Place, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Nobody speaks AMQP here: it is seen how far it comes. The first host of the two is away."""
    url = SecretStr(f"amqps://made-up:made-up@127.0.0.1:1,127.0.0.1:{place.link.port}/%2F")
    right = "another.invalid" not in request.node.callspec.params.values()
    for ca_file, goes_on in ((place.authority.ca, right), (Authority(tmp_path / "another").ca, False), (None, False)):
        before = place.link.let_in
        reset()  # pools tell connections apart by their first host, and a process has one app
        app = process.celery(place.but(ca_file=ca_file).model_copy(update={"celery_url": url}))
        with pytest.raises(AWAY):
            tasks.publish(app, LANE, [(tasks.SEND, [1])])
        assert (place.link.let_in > before) is goes_on
    assert came(place.link).spoke_tls


def test_files_that_are_none_are_named_before_anything_is_connected(place: Place, tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("made up")
    for wrong in (tmp_path / "none.pem", tmp_path / "missing.pem"):
        for make in (process.broker, process.celery):
            with pytest.raises(SettingsError, match="SETTLEPIPE_BROKER_TLS__"):
                make(place.but(ca_file=wrong))
    assert place.link.let_in == 0
