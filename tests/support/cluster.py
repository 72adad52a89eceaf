"""PostgreSQL servers of a test's own: backed up, and followed by a standby that takes over."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from deploy.local import postgres
from deploy.local.children import Account, bare_environment
from deploy.local.home import free_ports
from tests.support.stack import descendants, wait_until

PASSWORD = "made-up"
# A server that keeps its log, so that it can be restored to any moment since a base backup.
ARCHIVED = {"archive_mode": "on", "archive_command": "cp %p ../archive/%f"}
_LOCAL = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "shared_buffers": "32MB", "jit": "off"}


@dataclass
class Server:
    """One server: its folder, and the process while it runs."""

    cluster: "Cluster"
    data: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"postgresql://app:{PASSWORD}@127.0.0.1:{self.port}/settlepipe"

    def start(self, **settings: str) -> None:
        """Start, and return when it answers."""
        said = {**_LOCAL, "port": str(self.port), **self.cluster.settings, **settings}
        flags = [part for name, value in said.items() for part in ("-c", f"{name}={value}")]
        log = (self.cluster.folder / f"{self.data.name}.log").open("ab")
        self.process = self.cluster.popen("postgres", "-D", str(self.data), *flags, stdout=log, stderr=log)
        wait_until(lambda: self.asked("SELECT 1") is not None, f"{self.data.name} answers", 60)

    def kill(self) -> None:
        """As a machine that loses its power."""
        assert self.process is not None
        for pid in reversed(descendants(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        """As its owner stops it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()
            self.process = None

    def asked(self, statement: str) -> Any:
        """The first value of an answer; None while there is none."""
        url = self.url.removesuffix("settlepipe") + "postgres"
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=3) as connection:
                cursor = connection.execute(statement.encode())
                row = cursor.fetchone() if cursor.description else None
                return None if row is None else row[0]
        except psycopg.OperationalError:
            return None

    def copy(self, name: str) -> "Server":
        """A base backup with the log that it needs, taken while the server works; not started."""
        made = Server(self.cluster, self.cluster.folder / name, free_ports(1)[0])
        where = f"host=127.0.0.1 port={self.port} user=app password={PASSWORD}"
        self.cluster.run("pg_basebackup", "-d", where, "-D", str(made.data), "-X", "stream", "-c", "fast")
        return made

    def standby(self, name: str) -> "Server":
        """A server that follows this one, running."""
        made = self.copy(name)
        (made.data / "standby.signal").touch()
        where = f"host=127.0.0.1 port={self.port} user=app password={PASSWORD} application_name={name}"
        (made.data / "postgresql.auto.conf").write_text(f"primary_conninfo = '{where}'\n")
        self.cluster.own(made.data)
        made.start()
        wait_until(lambda: self.asked("SELECT count(*) FROM pg_stat_replication"), f"{name} follows", 60)
        return made

    def archived(self) -> None:
        """All that was committed is in the archive."""
        last = self.asked("SELECT pg_walfile_name(pg_switch_wal())")
        there = self.cluster.folder / "archive" / last
        wait_until(there.exists, "the log is archived", 60)

    def restore(self, moment: str) -> None:
        """Start this base backup with the archived log until a moment, taking writes."""
        (self.data / "recovery.signal").touch()
        self.cluster.own(self.data)
        said = {"restore_command": "cp ../archive/%f %p", "recovery_target_action": "promote"}
        self.start(**said, recovery_target_time=moment)
        wait_until(lambda: self.asked("SELECT pg_is_in_recovery()") is False, "it is restored", 120)

    def deafen(self) -> None:
        """Have this standby receive nothing more: not even what is in a socket's buffer."""
        self.asked("ALTER SYSTEM SET primary_conninfo = ''")
        self.asked("SELECT pg_reload_conf()")
        wait_until(lambda: self.asked("SELECT count(*) FROM pg_stat_wal_receiver") == 0, "it hears nothing", 60)

    def promote(self) -> None:
        """Have this standby take over, and return when it takes writes."""
        self.asked("SELECT pg_promote(false)")
        wait_until(lambda: self.asked("SELECT pg_is_in_recovery()") is False, "the standby took over", 60)


@dataclass
class Cluster:
    """Where servers of one cluster live, and how their programs are run."""

    folder: Path
    account: Account | None
    binaries: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    def own(self, *paths: Path) -> None:
        """These belong to the servers' account."""
        for top in paths if self.account is not None else ():
            for path in (top, *top.rglob("*")):
                os.chown(path, self.account.uid, self.account.gid)  # type: ignore[union-attr]

    def popen(self, program: str, *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
        as_whom: dict[str, Any] = {}
        if self.account is not None:
            as_whom = {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        command = [str(self.binaries / program), *arguments]
        return subprocess.Popen(command, env=bare_environment(), cwd=self.folder, **as_whom, **options)

    def run(self, program: str, *arguments: str) -> None:
        process = self.popen(program, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode(errors="replace")


@contextmanager
def primary(**settings: str) -> Iterator[Server]:
    """A server with an empty database `settlepipe`, on loopback. Everything of it is gone at the end."""
    account = postgres.account_to_run_as()
    folder = Path(tempfile.mkdtemp(prefix="settlepipe-cluster-"))
    folder.chmod(0o755)
    cluster = Cluster(folder, account, postgres.binaries_for(account), settings)
    cluster.own(folder)
    password = folder / "password"
    password.write_text(PASSWORD)
    (folder / "archive").mkdir()
    cluster.own(password, folder / "archive")
    server = Server(cluster, folder / "primary", free_ports(1)[0])
    try:
        cluster.run(
            *("initdb", "-D", str(server.data), "-U", "app", "--pwfile", str(password), "--auth=scram-sha-256"),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        )
        server.start()
        server.asked("CREATE DATABASE settlepipe")
        yield server
    finally:
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if os.readlink(process / "cwd").startswith(str(folder)):
                    os.kill(int(process.name), signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
