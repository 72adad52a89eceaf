"""The published roles on a database of the tests' server."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from deploy.local.children import bare_environment
from deploy.local.postgres import binaries_folder
from shared.database import roles

PASSWORD = "made-up-for-roles"
ROLES = ("settlepipe_owner", "settlepipe_runtime", "settlepipe_reader")


@dataclass(frozen=True)
class Urls:
    """One for each role, and the superuser's."""

    owner: str
    runtime: str
    reader: str
    superuser: str


def grant(superuser_url: str) -> None:
    """Run the grants file as its heading says."""
    run_psql(superuser_url, roles.grants())


def run_psql(superuser_url: str, statements: str) -> None:
    """As an administrator does."""
    command = [
        str(binaries_folder() / "psql"),
        f"--dbname={superuser_url}",
        "--no-psqlrc",
        "--quiet",
        "--single-transaction",
    ]
    done = subprocess.run(
        [*command, "--set", "ON_ERROR_STOP=1"],
        input=statements,
        env=bare_environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@contextmanager
def granted(superuser_url: str, name: str) -> Iterator[Urls]:
    """An empty database of this name with the roles on it; it and they are dropped at the end."""
    parts = urlsplit(superuser_url)
    url = urlunsplit(parts._replace(path=f"/{name}"))
    place = f"{parts.hostname}:{parts.port}"
    with psycopg.connect(superuser_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            grant(url)
            for role in ROLES:
                admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(PASSWORD)))
            owner, runtime, reader = (f"postgresql://{role}:{PASSWORD}@{place}/{name}" for role in ROLES)
            yield Urls(owner, runtime, reader, superuser=url)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            for role in ROLES:
                admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
