"""What each client of a broker is told, for each kind of URL."""

import ssl
from pathlib import Path

import pytest
from redis.connection import SSLConnection
from redis.sentinel import SentinelConnectionPool, SentinelManagedConnection, SentinelManagedSSLConnection

from shared.messaging import links, tasks
from shared.messaging.prefixed import Client
from shared.settings.broker_address import read
from shared.settings.sections import BrokerTlsSettings
from tests.support.authority import Authority

SENTINELS = "sentinel{}://app:made%40up@s1,s2:26380/3?master=payments&sentinel_username=asks&sentinel_password=made-up"


@pytest.fixture
def tls(tmp_path: Path) -> BrokerTlsSettings:
    authority = Authority(tmp_path)
    mine = authority.signed("mine")
    return BrokerTlsSettings(ca_file=authority.ca, cert_file=mine.cert, key_file=mine.key)


def test_over_tls_a_client_verifies_with_the_files_that_are_set(tls: BrokerTlsSettings) -> None:
    pool = links.client(read("rediss://app:made-up@broker:6380/2"), tls).connection_pool
    told = pool.connection_kwargs
    assert issubclass(pool.connection_class, SSLConnection)
    assert (told["host"], told["port"], told["db"], told["username"]) == ("broker", 6380, 2, "app")
    assert (told["ssl_cert_reqs"], told["ssl_check_hostname"]) == ("required", True)
    assert (told["ssl_ca_certs"], told["ssl_certfile"]) == (str(tls.ca_file), str(tls.cert_file))


@pytest.mark.parametrize(
    ("letter", "kind"), [("", SentinelManagedConnection), ("s", SentinelManagedSSLConnection)], ids=["plain", "tls"]
)
def test_behind_sentinel_the_master_and_the_sentinels_have_each_their_own_account(
    letter: str, kind: type, tls: BrokerTlsSettings
) -> None:
    pool = links.client(read(SENTINELS.format(letter)), tls).connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    assert pool.connection_class is kind
    assert (pool.service_name, pool.is_master) == ("payments", True)
    told = pool.connection_kwargs
    assert (told["username"], told["password"], told["db"]) == ("app", "made@up", 3)
    asked = [one.connection_pool for one in pool.sentinel_manager.sentinels]
    assert [(p.connection_kwargs["host"], p.connection_kwargs["port"]) for p in asked] == [("s1", 26379), ("s2", 26380)]
    for one in asked:
        assert (one.connection_kwargs["username"], one.connection_kwargs["password"]) == ("asks", "made-up")
        assert issubclass(one.connection_class, SSLConnection) is bool(letter)
        assert one.connection_kwargs["socket_timeout"] == links.SOCKET_TIMEOUT_S


def test_celery_is_told_the_same_of_redis(tls: BrokerTlsSettings) -> None:
    told = links.celery(read("rediss://app:made%40up@broker/2"), tls)
    assert told["broker_url"] == "rediss://app:made%40up@broker:6379/2"
    assert told["broker_use_ssl"] == {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": str(tls.ca_file),
        "ssl_certfile": str(tls.cert_file),
        "ssl_keyfile": str(tls.key_file),
    }
    assert told["broker_transport_options"]["visibility_timeout"] == links.VISIBILITY_TIMEOUT_S


def test_celery_is_told_of_sentinels_as_kombu_spells_them(tls: BrokerTlsSettings) -> None:
    told = links.celery(read(SENTINELS.format("s")), tls)
    account = "app:made%40up"
    assert told["broker_url"] == f"sentinel://{account}@s1:26379/3;sentinel://{account}@s2:26380/3"
    options = told["broker_transport_options"]
    assert options["master_name"] == "payments"
    assert options["sentinel_kwargs"].items() >= {"password": "made-up", "ssl": True}.items()
    assert told["broker_use_ssl"]["ssl_cert_reqs"] == "required"


def test_rabbitmq_keeps_what_is_written_in_quorum_queues(tls: BrokerTlsSettings) -> None:
    told = links.celery(read("amqps://app:made-up@r1,r2/%2Fpay", queues_only=True), tls)
    assert told["broker_url"] == "amqps://app:made-up@r1:5671/%2Fpay;amqps://app:made-up@r2:5671/%2Fpay"
    assert told["broker_use_ssl"]["cert_reqs"] is ssl.CERT_REQUIRED
    app = tasks.celery_app("amqp://app:made-up@r1/pay")
    assert app.amqp.queues["lane.mtn"].queue_arguments == {"x-queue-type": "quorum"}
    assert app.conf.broker_use_ssl is False
    assert app.conf.worker_prefetch_multiplier == 1


@pytest.mark.parametrize("url", ["redis://app:made-up@broker/2", SENTINELS.format("")], ids=["alone", "sentinel"])
def test_a_prefix_of_keys_stands_before_those_of_both_clients_and_unset_nothing_is_another(url: str) -> None:
    """Celery shows its settings to Flower: it asks for the lengths of queues by that option."""
    with_prefix, bare = links.celery(read(url), prefix="shop-a:"), links.celery(read(url))
    assert with_prefix["broker_transport_options"].pop("global_keyprefix") == "shop-a:"
    assert with_prefix == bare
    for prefix in ("shop-a:", ""):
        client = links.client(read(url), prefix=prefix)
        assert isinstance(client, Client)
        assert (client.key_prefix, client.pipeline().key_prefix) == (prefix, prefix)


def test_rabbitmqs_queues_have_no_prefix() -> None:
    address = read("amqp://app:made-up@r1/pay", queues_only=True)
    assert links.celery(address, prefix="shop-a:") == links.celery(address)


def test_celery_hides_every_password_from_those_who_ask_a_worker() -> None:
    shown = tasks.celery_app(SENTINELS.format("")).conf.humanize(with_defaults=False, censored=True)
    assert "made" not in shown
