"""shared/database/schema.sql is the database that the migrations make: a sheet that may be old is read by nobody."""

import difflib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.local.children import bare_environment
from deploy.local.embedded import Servers
from deploy.local.postgres import binaries_folder
from shared import database
from tests.conftest import url_of

SCHEMA = Path(database.__file__).with_name("schema.sql")
WRITTEN = f"settlepipe_as_written_{os.getpid()}"
KINDS = {"CONSTRAINT", "FK CONSTRAINT", "FUNCTION", "INDEX", "SCHEMA", "SEQUENCE", "TABLE", "TRIGGER", "VIEW"}
ADVICE = """write the change into shared/database/schema.sql as well.
`-` is what the migrations make and schema.sql doesn't, `+` the other way round:
"""


@pytest.fixture
def written(servers: Servers) -> Iterator[str]:
    """The name of a database made by schema.sql."""
    with psycopg.connect(url_of(servers, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {WRITTEN}")
        try:
            _run("psql", servers, WRITTEN, "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(SCHEMA))
            yield WRITTEN
        finally:
            connection.execute(f"DROP DATABASE {WRITTEN} WITH (FORCE)")


def test_schema_sql_makes_the_database_that_the_migrations_make(servers: Servers, template: str, written: str) -> None:
    migrated, read = _objects(servers, template), _objects(servers, written)
    assert {kind for kind, _ in migrated} >= KINDS, "everything that there is is compared"
    differences = [
        line
        for kind, name in sorted(migrated.keys() | read.keys())
        for line in difflib.unified_diff(
            migrated.get((kind, name), "").splitlines(),
            read.get((kind, name), "").splitlines(),
            f"{kind} {name}, by the migrations",
            f"{kind} {name}, by schema.sql",
            lineterm="",
        )
    ]
    assert not differences, ADVICE + "\n".join(differences)


def _objects(servers: Servers, name: str) -> dict[tuple[str, str], str]:
    """What pg_dump says of each object in this database, by its kind and name; function bodies to the letter."""
    what = ("--schema-only", "--no-owner", "--no-privileges", "--exclude-table=alembic_version", "--restrict-key=none")
    dump = _run("pg_dump", servers, name, *what)
    heading = re.compile(r"^--\n-- Name: (.+?); Type: (.+?); Schema: (.+?); .*\n--\n", re.MULTILINE)
    _, *parts = heading.split(dump)
    objects = {
        (kind, f"{schema}.{title}"): _broken(text.strip()) if kind == "TRIGGER" else text.strip()
        for title, kind, schema, text in zip(parts[::4], parts[1::4], parts[2::4], parts[3::4], strict=True)
    }
    assert len(objects) == dump.count("\n-- Name: ") > len(KINDS), "each object has a name of its own"
    return objects


def _broken(line: str) -> str:
    """A trigger is one line of a thousand characters: in pieces, so that one sees which differs."""
    return re.sub(r"(, | AND | OR )", r"\1\n", line)


def _run(program: str, servers: Servers, name: str, *options: str) -> str:
    command = [str(binaries_folder() / program), f"--dbname={url_of(servers, name)}", *options]
    done = subprocess.run(command, env=bare_environment(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
