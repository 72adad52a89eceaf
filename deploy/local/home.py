"""The folder of the embedded stack, `$SETTLEPIPE_HOME`: who may use it, and what is chosen for it.

Ports, passwords and the generated keys are chosen once and kept in `embedded.json` (mode 0600), so that a
restart finds the same addresses and the same data.
"""

import contextlib
import fcntl
import json
import os
import random
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.fernet import Fernet

from deploy.local.kept import Kept, LocalError, kept

# Below the range from which Linux and macOS take the ports of outgoing connections: while a server of ours is down,
# no passing client can sit on its port.
PORTS = range(10_240, 32_768)


def prepare(home: Path) -> Path:
    """Make HOME (its owner's alone, when we create it) and return its absolute path. Raises LocalError."""
    home = home.expanduser().absolute()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in ("logs", "run"):
            (home / folder).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise LocalError(
            f"{home} can't be used ({error.strerror}); point SETTLEPIPE_HOME at a folder of yours"
        ) from None
    return home


def keep(home: Path, what: Kept) -> Kept:
    """Remember `what` for good: it is on the disk when this returns."""
    write_private(home / "embedded.json", asdict(what))
    return what


def kept_or_chosen(home: Path) -> Kept:
    """What HOME remembers; chosen and kept now if nothing is there yet. The caller holds the lock on HOME."""
    known = kept(home)
    if known is not None:
        return known
    postgres_port, valkey_port, flower_port, sandbox_port, web_port = free_ports(5)
    return keep(
        home,
        Kept(
            postgres_port=postgres_port,
            postgres_password=secrets.token_urlsafe(24),
            valkey_port=valkey_port,
            valkey_password=secrets.token_urlsafe(24),
            flower_port=flower_port,
            flower_password=secrets.token_urlsafe(24),
            sandbox_port=sandbox_port,
            secret_key=Fernet.generate_key().decode(),
            web_port=web_port,
        ),
    )


def with_reference_key(home: Path, what: Kept) -> Kept:
    """`what` with a key for references, drawn now if there is none. It is never drawn again."""
    if what.reference_key is not None:
        return what
    return keep(home, replace(what, reference_key=secrets.token_urlsafe(48)))


def with_web_password(home: Path, what: Kept) -> Kept:
    """`what` with a password for the control room, drawn now if there is none."""
    if what.web_password is not None:
        return what
    return keep(home, replace(what, web_password=secrets.token_urlsafe(24)))


def with_free_port(home: Path, what: Kept, field: str) -> Kept:
    """`what` with another port in `field` if it has none, or somebody else took it; ours must not be running."""
    if getattr(what, field) and is_free(getattr(what, field)):
        return what
    changes: dict[str, Any] = {field: free_ports(1)[0]}
    return keep(home, replace(what, **changes))


def is_free(port: int) -> bool:
    """Can a server listen on this port of 127.0.0.1 now?"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """`count` different ports of 127.0.0.1 on which nothing listens."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, k=1000):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise LocalError("no free port was found on 127.0.0.1; stop what occupies ports 10240 to 32767")


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Replace the JSON file `path` (mode 0600) in one step: readers see the old content or the new one, whole."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path, wait_s: float, otherwise: str) -> Iterator[BinaryIO]:
    """Hold an exclusive lock on the file `path`. Raises LocalError(otherwise) when it isn't free within `wait_s`.

    A child that inherits the file keeps the lock until it ends too: so the lock outlives a killed parent for as long
    as its children do.
    """
    with path.open("ab") as file:
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LocalError(otherwise) from None
                time.sleep(0.05)
        yield file
