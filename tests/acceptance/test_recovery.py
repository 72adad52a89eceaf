"""The drill: the database comes back older than the world, and nothing is paid twice."""

import os
import shutil
from pathlib import Path

import pytest

from tests.support import cluster, stack
from tests.support.drill import PROVIDERS, WINDOWS, applied, begun, drill, ended, kill, settle
from tests.support.sandbox import SandboxClient
from tests.support.stack import wait_until


@pytest.mark.only_large
def test_a_cold_copy_of_the_database_is_noticed_held_and_recovered(tmp_path: Path, sandbox: SandboxClient) -> None:
    home = tmp_path / "home"
    up = stack.start_at(sandbox, home, **WINDOWS)
    known = begun(up)
    assert up.stop() == 0
    shutil.copytree(home / "postgres", tmp_path / "copy", copy_function=shutil.copy2)
    _own(home / "postgres", tmp_path / "copy")
    up = stack.start_at(sandbox, home, **WINDOWS)
    done = drill(up, sandbox)
    kill(up)
    shutil.rmtree(home / "postgres")
    (tmp_path / "copy").rename(home / "postgres")
    up = stack.start_at(sandbox, home, **WINDOWS)
    try:
        done.held(up, sandbox)
        assert done.recovered(up, sandbox, known)["unbroken"]
    finally:
        up.stop()


@pytest.mark.only_large
def test_a_dump_in_another_database_is_noticed_held_and_recovered(tmp_path: Path, sandbox: SandboxClient) -> None:
    with cluster.primary() as server:
        up = stack.start_at(sandbox, tmp_path / "home", DATABASE_URL=server.url, **WINDOWS)
        known = begun(up)
        server.cluster.run("pg_dump", "-Fc", "-f", f"{server.cluster.folder}/dump", "-d", server.url)
        done = drill(up, sandbox)
        kill(up)
        server.asked("DROP DATABASE settlepipe WITH (FORCE)")
        server.asked("CREATE DATABASE settlepipe")
        server.cluster.run("pg_restore", "-d", server.url, f"{server.cluster.folder}/dump")
        up = stack.start_at(sandbox, tmp_path / "home", DATABASE_URL=server.url, **WINDOWS)
        try:
            done.held(up, sandbox)
            assert done.recovered(up, sandbox, known)["unbroken"]
        finally:
            up.stop()


def both(first: cluster.Server, second: cluster.Server) -> str:
    """A URL that leads to whichever of the two takes writes."""
    hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
    return f"postgresql://app:{cluster.PASSWORD}@{hosts}/settlepipe?target_session_attrs=read-write"


@pytest.mark.only_large
def test_a_standby_that_was_behind_takes_over_under_running_processes(tmp_path: Path, sandbox: SandboxClient) -> None:
    with cluster.primary() as server:
        standby = server.standby("standby")
        up = stack.start_at(sandbox, tmp_path / "home", DATABASE_URL=both(server, standby), **WINDOWS)
        try:
            known = begun(up)
            standby.deafen()
            done = drill(up, sandbox)
            server.kill()
            standby.promote()
            done.held(up, sandbox)
            done.recovered(up, sandbox, known)
        finally:
            up.stop()


@pytest.mark.only_large
def test_a_standby_for_which_commits_waited_takes_over_and_the_store_goes_on(
    tmp_path: Path, sandbox: SandboxClient
) -> None:
    with cluster.primary() as server:
        standby = server.standby("standby")
        server.asked("ALTER SYSTEM SET synchronous_standby_names = '*'")
        server.asked("SELECT pg_reload_conf()")
        up = stack.start_at(sandbox, tmp_path / "home", DATABASE_URL=both(server, standby), **WINDOWS)
        try:
            known = begun(up)
            done = drill(up, sandbox)
            server.kill()
            standby.promote()
            wait_until(lambda: up.query("SELECT FROM lost_times"), "a window is open", 60)
            assert up.query("SELECT held_at, epoch FROM store") == [{"held_at": None, "epoch": 0}]
            more = [settle(PROVIDERS[number % 3], 900 + number) for number in range(6)]
            up.submit(more)
            rows = ended(up, more)
            assert {row["state"] for row in rows.values() if row["intent_id"].startswith("s90")} == {"succeeded"}
            done.paid = applied(sandbox)
            assert all(count == 1 for count in done.paid.values())
            up.submit([*known, *done.lost])
            ended(up, known + done.lost)
            assert applied(sandbox) == done.paid
        finally:
            up.stop()


def _own(like: Path, folder: Path) -> None:
    owner = like.stat()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
