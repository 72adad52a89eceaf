"""`settlepipe run`: each process by itself, on real servers."""

import os
import resource
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from deploy.cli.run import Process
from deploy.local import commands
from deploy.local.embedded import Servers
from deploy.local.home import free_ports
from shared.database import version
from shared.process import WRONG_SCHEMA
from shared.settings import Settings
from tests.conftest import url_of
from tests.support import by_itself
from tests.support.by_itself import LANE, NEEDED, ByItself, environment
from tests.support.patience import PATIENCE
from tests.support.stack import ROOT, wait_until

SCHEMA_S = 5.0  # in which a process says that the schema is another one
Place = Mapping[str, str]


def every(*left_out: str) -> list[Any]:
    """The processes' names; of each sort one is run by `make test`, too."""
    small = (Process.RELAY, Process.JOBS)
    return [
        process.value if process in small else pytest.param(process.value, marks=pytest.mark.only_large)
        for process in Process
        if process.value not in left_out
    ]


def words(name: str) -> tuple[str, ...]:
    return ("--lane", "mtn") if name == "worker" else ()


@pytest.fixture
def place(database_url: str, broker_url: str) -> Place:
    return {"DATABASE_URL": database_url, "BROKER_URL": broker_url, **LANE, **NEEDED}


@pytest.fixture
def empty_url(servers: Servers) -> Iterator[str]:
    """A database in which nothing is."""
    name = "empty_" + str(time.monotonic_ns())
    with psycopg.connect(url_of(servers, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield url_of(servers, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def finished(
    command: "list[str] | commands.Command", home: Path, **settings: str
) -> "subprocess.CompletedProcess[str]":
    """The command, to its end."""
    return subprocess.run(
        command,
        env=environment(home, **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        check=False,
    )


def settlepipe(home: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return finished(by_itself.command(*arguments), home, **settings)


@pytest.mark.parametrize("name", every())
def test_each_process_comes_up_answers_its_probes_turns_and_ends_by_sigterm(
    name: str, tmp_path: Path, place: Place
) -> None:
    more = {"FLOWER_PORT": str(free_ports(1)[0]), "JOBS_TICK_S": "1"}
    with by_itself.running(name, tmp_path, *words(name), **place, **more) as one:
        told = one.wait_up()
        assert told["process"] == name
        needed = ("schema", "database") if name == "web" else ("schema", "database", "broker")  # which web does without
        assert [told[part]["ok"] for part in needed] == [True] * len(needed)
        assert told["schema"]["version"] == version.known()[-1]
        assert told.get("turn") in (("held", "standing by") if name == "relay" else (None,))
        assert _command_line(one)[1:] == list(_expected(name, tmp_path / "home"))[1:], "nothing stands between"
        _turns(one)
        assert one.stop() == 0, one.log.read_text()


def _command_line(one: ByItself) -> list[str]:
    return Path(f"/proc/{one.process.pid}/cmdline").read_text().split("\0")[:-1]


def _expected(name: str, home: Path) -> commands.Command:
    if name == "worker":
        return commands.lane_worker("mtn", 1, Settings())
    return commands.command(name, Settings(), home)


def _turns(one: ByItself) -> None:
    """The time since its last turn grows, and begins anew."""
    ages, end = [float("-inf")], time.monotonic() + 15 * PATIENCE
    while ages[-1] >= max(ages):
        assert time.monotonic() < end, ages
        time.sleep(0.1)
        ages.append(one.wait("/livez", 200)["turned_s"])


def test_health_says_how_a_process_is_in_one_sentence(tmp_path: Path, place: Place) -> None:
    with by_itself.running("relay", tmp_path, **place) as relay:
        relay.wait_up()
        url = f"http://127.0.0.1:{relay.port}"
        good = settlepipe(tmp_path, "health", "relay", HEALTH_PORT=str(relay.port))
        assert (good.returncode, good.stderr) == (0, "")
        assert good.stdout in ("relay is well, its turn is held\n", "relay is well, its turn is standing by\n")
        assert settlepipe(tmp_path, "health", "relay", "--live", "--url", url).stdout == "relay is well\n"
        other = settlepipe(tmp_path, "health", "intake", "--url", url)
        assert (other.returncode, "answered by relay, not by intake" in other.stderr) == (1, True)
    gone = settlepipe(tmp_path, "health", "relay", "--url", url)
    assert (gone.returncode, "relay does not answer" in gone.stderr) == (1, True)


@pytest.mark.parametrize("name", every())
def test_on_an_empty_schema_each_process_ends_with_3_and_says_what_to_do(
    name: str, tmp_path: Path, place: Place, empty_url: str
) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = settlepipe(tmp_path / "home", "run", name, *words(name), **{**place, "DATABASE_URL": empty_url})
    took_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stdout) == (WRONG_SCHEMA, "")
    assert done.stderr == "settlepipe: the database has no settlepipe schema; run `settlepipe db upgrade`\n"
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < SCHEMA_S
    assert took_s < SCHEMA_S * PATIENCE  # on a machine that may be busy


@pytest.mark.parametrize("name", every("dispatcher", "metrics", "flower"))
def test_a_process_that_is_started_by_hand_looks_itself(
    name: str, tmp_path: Path, place: Place, empty_url: str
) -> None:
    (tmp_path / "home").mkdir()
    here = {**place, "DATABASE_URL": empty_url}
    done = finished(_expected(name, tmp_path / "home"), tmp_path / "home", UBILL__CALLBACK_PORT="0", **here)
    assert (done.returncode, "run `settlepipe db upgrade`" in done.stderr) == (WRONG_SCHEMA, True), done
    assert "does not answer" not in done.stderr
    assert "not connected yet" not in done.stderr


@pytest.mark.parametrize(
    ("found", "says"), [("9999", "run the newer settlepipe"), ("0003", "run `settlepipe db upgrade`")]
)
def test_another_schema_is_named(found: str, says: str, tmp_path: Path, place: Place) -> None:
    with psycopg.connect(place["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", (found,))
    done = settlepipe(tmp_path / "home", "run", "relay", **place)
    assert (done.returncode, found in done.stderr, says in done.stderr) == (WRONG_SCHEMA, True, True), done


def test_a_newer_schema_is_not_upgraded(tmp_path: Path, place: Place) -> None:
    with psycopg.connect(place["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    done = settlepipe(tmp_path / "home", "db", "upgrade", **place)
    assert (done.returncode, "run the newer settlepipe" in done.stderr, done.stderr.count("\n")) == (1, True, 1), done


def test_a_process_that_forks_keeps_the_port_of_its_probes_to_itself(tmp_path: Path, place: Place) -> None:
    """A job that outlives the process for a moment would keep the next one from listening."""
    with by_itself.running("jobs", tmp_path, **place) as jobs:
        jobs.wait_up()
        pid = jobs.process.pid
        lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
        (inode,) = (line[9] for line in lines if line[3] == "0A" and line[1].endswith(f":{jobs.port:04X}"))
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(children) >= commands.JOBS_AT_ONCE
        assert f"socket:[{inode}]" in _open_files(str(pid))
        assert [child for child in children if f"socket:[{inode}]" in _open_files(child)] == []


def _open_files(pid: str) -> set[str]:
    return {os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()}


def test_a_relay_whose_tables_go_while_it_runs_ends_and_does_not_blame_the_server(tmp_path: Path, place: Place) -> None:
    with by_itself.running("relay", tmp_path, **place) as relay:
        relay.wait_up()
        with psycopg.connect(place["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        assert relay.process.wait(60 * PATIENCE) == WRONG_SCHEMA
        said = relay.log.read_text()
        assert ("run `settlepipe db upgrade`" in said, "does not answer" in said) == (True, False)


@pytest.mark.parametrize("name", ["dispatcher", "worker"])
def test_a_process_waits_for_a_database_that_comes_later(
    name: str, tmp_path: Path, place: Place, empty_url: str
) -> None:
    later = place["DATABASE_URL"]
    moved = later.rpartition("/")[2] + "_away"
    with psycopg.connect(empty_url, autocommit=True) as connection:
        _rename(connection, later.rpartition("/")[2], moved)
        with by_itself.running(name, tmp_path, *words(name), **place) as one:
            told = one.wait("/readyz", 503)
            assert (told["started"], told["database"]["ok"]) == (False, False)
            one.wait("/livez", 200)
            assert not one.notified.heard
            _rename(connection, moved, later.rpartition("/")[2])
            assert one.wait_up()["ready"]


@pytest.mark.parametrize("name", ["beat", "jobs"])
def test_a_process_that_waits_for_its_database_is_alive_and_ends_by_sigterm(
    name: str, tmp_path: Path, place: Place
) -> None:
    with by_itself.running(name, tmp_path, **{**place, "DATABASE_URL": place["DATABASE_URL"] + "_nowhere"}) as one:
        assert not one.wait("/readyz", 503)["started"]
        wait_until(lambda: b"not connected yet" in one.log.read_bytes(), "it has looked for its database")
        one.wait("/livez", 200)
        assert one.stop() == 0, one.log.read_text()


def _rename(connection: "psycopg.Connection[tuple[object, ...]]", name: str, to: str) -> None:
    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to)))
