"""Sums without a limit: a database of the release before is brought up to date, and back."""

import contextlib

import psycopg
from psycopg.rows import dict_row

from deploy.local.embedded import Servers
from shared.database import migrate
from shared.database.engine import driver_url
from tests.support.older import database_of, downgrade

_FOUND = """
INSERT INTO discrepancies (category, provider, identity, evidence, local_minor, provider_minor)
VALUES ('paid_elsewhere', 'mtn', %s, '{}', 0, %s)
"""
_ALL = "SELECT identity, local_minor, provider_minor, pg_typeof(provider_minor)::text AS type FROM discrepancies"
LARGEST = 2**63 - 1


def test_what_was_found_is_kept_there_and_back(servers: Servers) -> None:
    with (
        database_of(servers.database_url, "0009") as url,
        contextlib.closing(psycopg.connect(driver_url(url), autocommit=True, row_factory=dict_row)) as connection,
    ):
        connection.execute(_FOUND, ("a", 7))
        migrate.upgrade(url)
        connection.execute(_FOUND, ("b", 2 * LARGEST))
        connection.execute(_FOUND, ("c", None))
        rows = connection.execute(_ALL + " ORDER BY 1").fetchall()
        assert [(row["provider_minor"], row["type"]) for row in rows] == [
            (7, "numeric"),
            (2 * LARGEST, "numeric"),
            (None, "numeric"),
        ]
        downgrade(url, "0009")
        rows = connection.execute(_ALL + " ORDER BY 1").fetchall()
        assert [(row["provider_minor"], row["type"]) for row in rows] == [
            (7, "bigint"),
            (LARGEST, "bigint"),
            (None, "bigint"),
        ]
