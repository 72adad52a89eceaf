"""Quarantine learns of what it kept only the beginning, and forgets those on the way back."""

import contextlib

import psycopg
from psycopg.rows import dict_row

from deploy.local.embedded import Servers
from shared.database import migrate
from shared.database.engine import driver_url
from tests.support.older import database_of, downgrade

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
        downgrade(url, "0009")
        kept = connection.execute("SELECT raw FROM quarantine").fetchall()
        assert [bytes(row["raw"]) for row in kept] == [b"whole"]
