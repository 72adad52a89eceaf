"""The operating guide's blocks do what they say, on a new database, in their order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from deploy.docs import ROOT
from deploy.local import postgres
from deploy.local.embedded import Servers
from tests.conftest import url_of
from tests.support import by_itself
from tests.support.patience import PATIENCE

BLOCKS: list[str] = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "operating.md").read_text("utf-8"), re.M | re.S)
ROLE = "settlepipe_scaler"


@pytest.fixture
def programs(tmp_path: Path) -> str:
    """A PATH with the product's commands and PostgreSQL's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("psql", "pg_dump", "pg_restore"):
        (folder / name).symlink_to(postgres.binaries_for(None) / name)
    return f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"


def test_each_block_of_the_operating_guide_works(
    tmp_path: Path, programs: str, database_url: str, broker_url: str, servers: Servers
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public, archive CASCADE")
        connection.execute("CREATE SCHEMA public")
    place = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, **by_itself.NEEDED, **by_itself.LANE}
    given = by_itself.environment(tmp_path / "home", **place) | {"PATH": programs}
    said = []
    try:
        for block in BLOCKS:
            done = subprocess.run(
                ["sh", "-eu"],
                input=block,
                cwd=tmp_path,
                env=given,
                capture_output=True,
                text=True,
                timeout=100 * PATIENCE,
                check=False,
            )
            assert done.returncode == 0, (block, done.stdout[-2000:], done.stderr[-2000:])
            said.append(done.stdout)
    finally:
        with psycopg.connect(url_of(servers, "postgres"), autocommit=True) as connection:
            held = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone()
        if held:
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(ROLE)))
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(ROLE)))
    keys, prepared, _, looked, _ = said
    assert len(keys.splitlines()) == 2
    assert "the database is up to date" in prepared
    assert "settlepipe_up 1.0" in looked
    assert (tmp_path / "settlepipe.dump").stat().st_size > 10_000
