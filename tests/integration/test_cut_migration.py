"""Quarantine learns of what it kept only the beginning, and forgets those on the way back."""

import contextlib

import psycopg
from alembic import command
from psycopg.rows import dict_row
from sqlalchemy import create_engine

from deploy.local.embedded import Servers
from shared.store import migrate
from shared.store.engine import driver_url, sqlalchemy_url
from tests.support.older import database_of

_WHOLE = "INSERT INTO quarantine (sha256, raw, reason, stream, entry_id) VALUES ('a', 'whole', 'r', 's', '1-1')"
_CUT = """INSERT INTO quarantine (sha256, raw, whole_bytes, reason, stream, entry_id)
VALUES ('b', 'cut', 70000, 'r', 's', '1-1')"""


def test_what_is_cut_never_looks_whole(servers: Servers) -> None:
    with (
        database_of(servers.database_url, "0009") as url,
        contextlib.closing(psycopg.connect(driver_url(url), autocommit=True, row_factory=dict_row)) as connection,
    ):
        connection.execute(_WHOLE)
        migrate.upgrade(url)
        assert connection.execute("SELECT whole_bytes FROM quarantine").fetchall() == [{"whole_bytes": None}]
        connection.execute(_CUT)
        config, engine = migrate._config(), create_engine(sqlalchemy_url(url))
        with engine.connect() as migrating:
            config.attributes["connection"] = migrating
            command.downgrade(config, "0009")
        engine.dispose()
        kept = connection.execute("SELECT raw FROM quarantine").fetchall()
        assert [bytes(row["raw"]) for row in kept] == [b"whole"]
