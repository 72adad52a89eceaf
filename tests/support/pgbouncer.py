"""Debian's PgBouncer in front of a PostgreSQL, run by the published file."""

import configparser
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg

from deploy.local.home import free_ports
from deploy.local.postgres import account_to_run_as
from tests.support.programs import path_of
from tests.support.stack import ROOT, wait_until

PUBLISHED = ROOT / "deploy" / "pgbouncer" / "pgbouncer.ini"
ADMIN = "pgbouncer"
PASSWORD = "made-up-for-the-console"
_UP_S = 30


@dataclass(frozen=True)
class Pooler:
    """url: of the database behind it, for the role that it was made for. log: what it said."""

    url: str
    port: int
    log: Path

    def console(self, command: str) -> list[tuple[object, ...]]:
        """A command of its console."""
        place = f"postgresql://{ADMIN}:{PASSWORD}@127.0.0.1:{self.port}/pgbouncer"
        with psycopg.connect(place, autocommit=True) as connection, psycopg.ClientCursor(connection) as cursor:
            cursor.execute(command.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def pooling(database_url: str, **changed: str) -> Iterator[Pooler]:
    """In front of this database. changed: settings other than the published ones."""
    program, parts = path_of("pgbouncer"), urlsplit(database_url)
    database, user, password = parts.path.removeprefix("/"), parts.username or "", parts.password or ""
    (port,) = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="settlepipe-pgbouncer-"))
    ini = configparser.ConfigParser(interpolation=None)
    ini.read(PUBLISHED)
    ini["databases"] = {database: f"host={parts.hostname} port={parts.port} dbname={database}"}
    mine = {"listen_port": str(port), "auth_file": f"{folder}/users.txt", "unix_socket_dir": ""}
    mine |= {"logfile": f"{folder}/log", "pidfile": f"{folder}/pid"}
    ini["pgbouncer"].update(mine | changed)
    with (folder / "pgbouncer.ini").open("w") as file:
        ini.write(file)
    (folder / "users.txt").write_text(f'"{user}" "{password}"\n"{ADMIN}" "{PASSWORD}"\n')
    account = account_to_run_as()
    given: dict[str, Any] = {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": ()}
    if account is not None:
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.uid, account.gid)
    process = subprocess.Popen([program, "-q", str(folder / "pgbouncer.ini")], cwd=folder, **given)
    url = f"postgresql://{quote(user)}:{quote(password)}@127.0.0.1:{port}/{database}"
    try:
        wait_until(lambda: process.poll() is not None or _answers(url), "PgBouncer answers", _UP_S)
        assert process.poll() is None, (folder / "log").read_text()
        yield Pooler(url, port, folder / "log")
    finally:
        process.terminate()
        process.wait(_UP_S)
        print((folder / "log").read_text()[-4000:])  # shown when the test fails
        shutil.rmtree(folder)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
