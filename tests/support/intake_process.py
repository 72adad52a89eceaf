"""The real intake process for tests, one at a time or again and again."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis

from shared.database.engine import driver_url
from shared.messaging.intake_entry import INTAKE_FIELD
from shared.messaging.intake_stream import GROUP
from shared.settings import PREFIX

ROOT = Path(__file__).parents[2]
STREAM = "settlepipe:intake"
DEADLINE_S = 60.0
_KEY = "A" * 43 + "="
_PLAIN = "from worker.intake import main; main()"
# One marked intent ends whoever parses it, as one that takes all memory would.
_MORTAL = """
import os
from shared.payments import valid
parse = valid.parse_intent
def mortal(raw, targets):
    if b"the end" in raw:
        os.kill(os.getpid(), 9)
    return parse(raw, targets)
valid.parse_intent = mortal
"""


class Running:
    """The process, and what it did with the processor and the memory."""

    def __init__(self, database_url: str, broker_url: str, mortal: bool, **environment: str) -> None:
        given = {
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "SECRET_KEYS": f'["{_KEY}"]',
            "REFERENCE_KEY": _KEY,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", (_MORTAL if mortal else "") + _PLAIN],
            env={**os.environ, **{PREFIX + name: value for name, value in {**given, **environment}.items()}},
            cwd=ROOT,
            stderr=subprocess.DEVNULL,
        )

    @property
    def most_memory_bytes(self) -> int:
        """What it had at most until now (VmHWM)."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    @property
    def processor_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def intake(database_url: str, broker_url: str, *, mortal: bool = False, **environment: str) -> Iterator[Running]:
    """The process until the end of the block."""
    running = Running(database_url, broker_url, mortal, **environment)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def put(client: "redis.Redis", *raws: bytes) -> None:
    for raw in raws:
        client.xadd(STREAM, {INTAKE_FIELD: raw})


def left(client: "redis.Redis") -> int:
    """Entries that are not acknowledged, read or not."""
    groups: Any = client.xinfo_groups(STREAM)
    pending = [int(group["pending"]) for group in groups if group["name"] == GROUP.encode()]
    return int(client.xlen(STREAM)) + sum(pending)


def rows(database_url: str, statement: str) -> list[Any]:
    with psycopg.connect(driver_url(database_url), autocommit=True) as connection:
        return connection.execute(statement.encode()).fetchall()


@dataclass(frozen=True)
class Locked:
    """A table that nobody else can use until it is released."""

    connection: "psycopg.Connection[Any]"

    def waiting(self) -> int:
        """How many sessions wait for it."""
        return self._waiting("count(*)")

    def end_waiting(self) -> None:
        """End the sessions that wait for it."""
        self._waiting("count(pg_terminate_backend(pid))")

    def release(self) -> None:
        self.connection.rollback()

    def _waiting(self, what: str) -> int:
        statement = f"SELECT {what} FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        row = self.connection.execute(statement.encode()).fetchone()
        return int(row[0]) if row else 0


@contextlib.contextmanager
def locked(database_url: str, table: str) -> Iterator[Locked]:
    """The table is locked, until it is released or the block ends."""
    with psycopg.connect(driver_url(database_url)) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield Locked(connection)
        connection.rollback()


def wait_until(true: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    end = time.monotonic() + deadline_s
    while not (value := true()):
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.02)
    return value
