"""A database of the release before each run had a table of its own for its payments is brought up to date, and back."""

import contextlib

import psycopg
from psycopg.rows import dict_row

from deploy.local.embedded import Servers
from shared.database import migrate
from shared.database.engine import driver_url
from tests.support.older import database_of, downgrade

_RUN = """
INSERT INTO reconciliations (provider, day, period_from, period_to, state)
VALUES ('ubill', %s, '2026-11-20T00:00:00Z', '2026-11-21T00:00:00Z', 'done') RETURNING id
"""
_PAYMENT = """
INSERT INTO reconciled_payments
VALUES (%s, %s, '7', 'matched', 'succeeded', '2026-11-20T10:00:00Z', 'GEL', 100, 100)
"""
_ALL = "SELECT * FROM reconciled_payments ORDER BY run_id, payment_id"
_TABLES = "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'reconciled_payments'::regclass"


def test_each_runs_payments_move_to_a_table_of_their_own(servers: Servers) -> None:
    with (
        database_of(servers.database_url, "0008") as url,
        contextlib.closing(psycopg.connect(driver_url(url), autocommit=True, row_factory=dict_row)) as connection,
    ):
        runs = [connection.execute(_RUN, (f"2026-11-{day}",)).fetchall()[0]["id"] for day in (18, 19, 20)]
        for payment_id, run in enumerate((runs[2], runs[0], runs[2])):
            connection.execute(_PAYMENT, (run, payment_id))
        before = connection.execute(_ALL).fetchall()
        migrate.upgrade(url)
        assert connection.execute(_ALL).fetchall() == before
        tables = {row["name"] for row in connection.execute(_TABLES).fetchall()}
        assert tables == {f"reconciled_payments_{runs[0]}", f"reconciled_payments_{runs[2]}"}, "the other had none"
        downgrade(url, "0008")
        assert connection.execute(_ALL).fetchall() == before
