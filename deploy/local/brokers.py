"""What `settlepipe doctor` looks at in the brokers: Redis or Valkey, and RabbitMQ. Each check reads only, and never
raises."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import redis

from shared.messaging import links, tasks
from shared.messaging.broker import must_be_usable
from shared.settings import Settings, SettingsError, broker_address
from shared.settings.broker_address import AMQP, SENTINEL, Address

OLDEST_BROKER = (6, 2)  # XAUTOCLAIM, and XTRIM by MINID
OLDEST_RABBITMQ = (3, 10)  # quorum queues that limit how often a message comes again


class Check(NamedTuple):
    """One finding: what was looked at, is it as it should be, and a sentence for people."""

    name: str
    ok: bool
    sentence: str


def examine(settings: Settings) -> Iterator[Check]:
    """The broker of the streams; Celery's, where it is another one. The settings have a URL of the first."""
    assert settings.broker_url is not None  # noqa: S101 - says the docstring
    streams = broker_address.read(settings.broker_url.get_secret_value())
    yield from _redis("broker", streams, settings)
    if settings.celery_url is None:
        return
    queues = broker_address.read(settings.celery_url.get_secret_value(), queues_only=True)
    if queues.family == AMQP:
        yield _rabbitmq(settings.celery_url.get_secret_value(), settings)
        if settings.broker_key_prefix:
            sentence = "RabbitMQ's queues have no prefix; a virtual host keeps installations apart there"
            yield Check("celery keys", True, sentence)
    elif queues != streams:
        yield from _redis("celery", queues, settings)


def _redis(name: str, address: Address, settings: Settings) -> Iterator[Check]:
    """Does it answer, is it new enough, does it keep what it was given, also when its master is lost?"""
    try:
        client = links.client(address, settings.broker_tls, decode_responses=True)
    except SettingsError as error:
        yield Check(name, False, str(error))
        return
    try:
        must_be_usable(client)
        told = {section: client.info(section) for section in ("server", "persistence", "memory", "replication")}
    except SettingsError as error:
        yield Check(name, False, str(error))
        return
    except (redis.RedisError, OSError) as error:
        yield Check(name, False, f"it does not answer: {error}")
        return
    finally:
        client.close()
    product, version = _version(told["server"])
    new_enough = tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_BROKER
    over = ", over TLS" if address.tls else ""
    sentence = f"{product} {version} answers{over}" + ("" if new_enough else "; 6.2 or newer is needed")
    yield Check(name, new_enough, sentence)
    if settings.broker_key_prefix:
        yield Check(f"{name} keys", True, f"each begins with {settings.broker_key_prefix}, the streams' names too")
    append_only = bool(told["persistence"].get("aof_enabled"))
    kept = "what it was given survives a restart" if append_only else "a restart empties it; set appendonly yes"
    yield Check(f"{name} persistence", append_only, kept)
    policy = told["memory"].get("maxmemory_policy", "unknown")
    refuses = policy == "noeviction"
    sentence = f"maxmemory-policy is {policy}" + ("" if refuses else "; set noeviction, or messages are thrown away")
    yield Check(f"{name} eviction", refuses, sentence)
    if address.family == SENTINEL:
        yield _replicas(name, address.master, told["replication"])


def _replicas(name: str, master: str, told: Any) -> Check:
    found = int(told.get("connected_slaves", 0))
    sentence = f"the master {master} has {found} connected" if found else f"the master {master} has none to take over"
    return Check(f"{name} replicas", found > 0, sentence)


def _version(server: Any) -> tuple[str, str]:
    if "valkey_version" in server:
        return "Valkey", str(server["valkey_version"])
    return "Redis", str(server.get("redis_version", "0.0"))


def _rabbitmq(url: str, settings: Settings) -> Check:
    try:
        app = tasks.celery_app(url, "settlepipe-doctor", settings.broker_tls)
        with app.connection_for_read(heartbeat=0) as connection:
            connection.connect()
            told = connection.connection.server_properties
    except SettingsError as error:
        return Check("celery", False, str(error))
    except Exception as error:  # whatever a server may do
        return Check("celery", False, f"RabbitMQ does not answer ({type(error).__name__})")
    version = str(told.get("version", "0.0"))
    new_enough = tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) >= OLDEST_RABBITMQ
    sentence = f"{told.get('product', 'a broker')} {version} answers" + (
        ", over TLS" if url.startswith("amqps") else ""
    )
    return Check("celery", new_enough, sentence + ("" if new_enough else "; RabbitMQ 3.10 or newer is needed"))
