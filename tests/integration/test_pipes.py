"""What commands do whose reader has had enough, or whose disk is full: as every other program."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis

from deploy.local.embedded import Servers
from shared.database.engine import Database
from shared.messaging.events_stream import EVENTS
from shared.settings import PREFIX
from tests.conftest import migrated_copy
from tests.support.flow import running_world

pytestmark = pytest.mark.timeout(300)  # each runs programs, on a machine that may be busy

ROWS = 500  # more than a pipe and Python's buffer hold
COMMAND = f"{shlex.quote(sys.executable)} -m deploy.cli.main"
STREAMING = ["export", "export --format csv", "payments --json", "quarantine list --json", "events tail -n 500"]


@pytest.fixture(scope="module")
def environment(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with redis.Redis.from_url(servers.broker_url) as client, client.pipeline() as pipe:
        pipe.flushdb()
        for number in range(ROWS):
            pipe.xadd(EVENTS, {"event": json.dumps({"id": number, "data": "x" * 100})})
        pipe.execute()
    others = (PREFIX, "PYTHONUNBUFFERED")  # what is in Python's buffer is what is told once more at its end
    values = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    for url in migrated_copy(servers, template):
        with running_world(url) as world:
            world.accept(*(world.document() for _ in range(ROWS)), *(f"nonsense {n}".encode() for n in range(ROWS)))
        home = str(tmp_path_factory.mktemp("home"))
        given = {"DATABASE_URL": url, "BROKER_URL": servers.broker_url, "HOME": home}
        yield values | {PREFIX + name: value for name, value in given.items()}


@pytest.mark.parametrize("command", STREAMING)
def test_a_reader_that_has_had_enough_is_no_mistake(command: str, environment: dict[str, str]) -> None:
    done = _shell(f"{COMMAND} {command} | head -1", environment)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout


@pytest.mark.parametrize("command", ["export", "events tail -n 500", "payments", "export --help"])
def test_a_full_disk_is_said_in_one_sentence(command: str, environment: dict[str, str]) -> None:
    done = _shell(f"{COMMAND} {command} > /dev/full", environment)
    assert (done.returncode, done.stderr) == (1, "settlepipe: No space left on device\n")


def test_an_error_while_rows_are_read_is_told_as_what_it_is(database_url: str) -> None:
    from shared.payments import views  # noqa: PLC0415 - the commands import it when they run

    with running_world(database_url) as world:
        world.accept(*(world.document() for _ in range(3)))
    database = Database(database_url, pool_size=1)

    def read_and_fail() -> None:
        with database.connection() as connection:
            rows = views.export(connection)
            next(rows)
            raise RuntimeError("of ours")

    with pytest.raises(RuntimeError, match="of ours"):
        read_and_fail()
    with database.connection() as connection:
        other = connection.info.backend_pid
        connection.execute("SELECT 1")
        rest = views.export(connection)
        next(rest)
    with database.connection() as connection:
        assert connection.info.backend_pid != other, "a session in the middle of a transaction serves nobody else"
    database.dispose()


def _shell(line: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=200, check=False)
