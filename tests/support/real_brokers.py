"""Brokers as Debian has them, for tests: Redis with TLS and with Sentinel, RabbitMQ. Each ends with its block."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from deploy.local.home import free_ports
from tests.support import accounts, rabbit_nodes
from tests.support.authority import Authority, Pair
from tests.support.processes import running
from tests.support.programs import path_of
from tests.support.stack import wait_until

PASSWORD = "made-up-password"
MASTER = "payments"
_UP_S = 60
Trouble = Callable[[], object]


@dataclass
class Real:
    """settings: without their prefix, what points the product at it. trouble: what befalls it, if anything."""

    settings: Mapping[str, str]
    trouble: Trouble | None = None


@contextmanager
def plain(folder: Path) -> Iterator[Real]:
    """The embedded Valkey."""
    yield Real({})


@contextmanager
def over_tls(folder: Path) -> Iterator[Real]:
    """Redis that speaks TLS alone, and wants a certificate of its clients."""
    authority, (port,) = Authority(folder / "authority"), free_ports(1)
    mine, theirs = authority.signed("client", "client.invalid"), authority.signed("server")
    lines = [
        f"tls-port {port}",
        f"tls-cert-file {theirs.cert}",
        f"tls-key-file {theirs.key}",
        f"tls-ca-cert-file {authority.ca}",
        "tls-auth-clients yes",
    ]
    with _redis(folder / "redis", 0, lines):
        yield Real({"BROKER_URL": f"rediss://default:{PASSWORD}@127.0.0.1:{port}/0", **_tls(authority, mine)})


@contextmanager
def with_accounts(folder: Path) -> Iterator[Real]:
    """Redis with the published accounts and no other; the product has the fleet's."""
    with _with_accounts(folder, accounts.FILE) as url:
        yield Real({"BROKER_URL": url})


@contextmanager
def with_accounts_under_prefix(folder: Path) -> Iterator[Real]:
    """The same with those under a prefix of keys."""
    with _with_accounts(folder, accounts.UNDER_PREFIX) as url:
        yield Real({"BROKER_URL": url, "BROKER_KEY_PREFIX": "shop-a:"})


@contextmanager
def _with_accounts(folder: Path, file: Path) -> Iterator[str]:
    folder.mkdir(parents=True)
    (port,) = free_ports(1)
    (folder / "users.acl").write_text("\n".join(accounts.lines(file)) + "\n")
    with _redis(folder / "redis", port, [f"aclfile {folder}/users.acl"], requires=False):
        yield f"redis://fleet:{accounts.password_of('fleet')}@127.0.0.1:{port}/0"


@contextmanager
def behind_sentinel(folder: Path) -> Iterator[Real]:
    """A master, its replica and three Sentinels, with a prefix of keys. The trouble: the master is killed."""
    master, replica, *sentinels = free_ports(5)
    with ExitStack() as stack:
        first = stack.enter_context(_redis(folder / "master", master, [f"masterauth {PASSWORD}"]))
        following = [f"masterauth {PASSWORD}", f"replicaof 127.0.0.1 {master}"]
        stack.enter_context(_redis(folder / "replica", replica, following))
        with _client(master) as client:
            wait_until(lambda: client.info("replication")["connected_slaves"], "the replica follows", _UP_S)
        for number, port in enumerate(sentinels):
            stack.enter_context(_sentinel(folder / f"sentinel-{number}", port, master))
        places = ",".join(f"127.0.0.1:{port}" for port in sentinels)
        asked = "sentinel_username=default&sentinel_password=made-up-sentinel"
        url = f"sentinel://default:{PASSWORD}@{places}/0?master={MASTER}&{asked}"
        with _client(sentinels[0], "made-up-sentinel") as client:
            wait_until(lambda: _knows_all(client), "the Sentinels know each other and the replica", _UP_S)
        yield Real({"BROKER_URL": url, "BROKER_KEY_PREFIX": "shop-a:"}, first.kill)


@contextmanager
def on_rabbitmq(folder: Path) -> Iterator[Real]:
    """Three nodes of RabbitMQ over TLS for Celery's queues, behind a host that is away; the embedded Valkey for the
    streams. The trouble: the node that leads a lane's queue is killed, and runs again."""
    authority, (nobody,) = Authority(folder / "authority"), free_ports(1)
    mine, theirs = authority.signed("client", "client.invalid"), authority.signed("server")
    with ExitStack() as ending:
        cluster = rabbit_nodes.cluster(folder, authority, theirs, ending)
        hosts = ",".join(f"127.0.0.1:{port}" for port in (nobody, *cluster.ports))
        url = f"amqps://{rabbit_nodes.USER}:{rabbit_nodes.PASSWORD}@{hosts}/%2F"
        yield Real({"CELERY_URL": url, **_tls(authority, mine)}, lambda: cluster.kill_leader("lane.ubill"))


def _tls(authority: Authority, mine: Pair) -> dict[str, str]:
    files = {"CA_FILE": authority.ca, "CERT_FILE": mine.cert, "KEY_FILE": mine.key}
    return {f"BROKER_TLS__{name}": str(path) for name, path in files.items()}


def _knows_all(client: "redis.Redis") -> bool:
    told: Any = client.sentinel_master(MASTER)
    return bool(told["num-slaves"] == 1 and told["num-other-sentinels"] == 2)


def _client(port: int, password: str = PASSWORD) -> "redis.Redis":
    return redis.Redis(port=port, password=password, socket_timeout=5)


@contextmanager
def _redis(
    folder: Path, port: int, lines: Sequence[str], *, requires: bool = True
) -> Iterator["subprocess.Popen[bytes]"]:
    folder.mkdir(parents=True)
    own = [f"port {port}", "appendonly yes", "maxmemory-policy noeviction"]
    password = [f"requirepass {PASSWORD}"] if requires else []
    with _configured(path_of("redis-server"), folder, [*own, *password, *lines]) as process:
        yield process


@contextmanager
def _sentinel(folder: Path, port: int, master: int) -> Iterator[None]:
    folder.mkdir(parents=True)
    lines = [
        f"port {port}",
        "requirepass made-up-sentinel",
        "sentinel sentinel-user default",
        "sentinel sentinel-pass made-up-sentinel",
        f"sentinel monitor {MASTER} 127.0.0.1 {master} 2",
        f"sentinel auth-pass {MASTER} {PASSWORD}",
        f"sentinel down-after-milliseconds {MASTER} 2000",
        f"sentinel failover-timeout {MASTER} 10000",
    ]
    with _configured(path_of("redis-sentinel"), folder, lines):
        yield


@contextmanager
def _configured(program: str, folder: Path, lines: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    log = folder / "server.log"
    own = ["bind 127.0.0.1", f"dir {folder}", "daemonize no", 'save ""' if "sentinel" not in program else ""]
    configuration = folder / "server.conf"
    configuration.write_text("\n".join([*own, *lines]) + "\n")
    with running([program, str(configuration)], log, os.environ) as process:
        up = (b"Ready to accept connections", b"+monitor master", b"MASTER <-> REPLICA sync: Finished")
        wait_until(lambda: any(word in log.read_bytes() for word in up), f"{folder.name} is up", _UP_S)
        yield process
