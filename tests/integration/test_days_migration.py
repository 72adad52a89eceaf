"""The first day of what was open before the upgrade: that of the night that found it."""

import contextlib
from datetime import date

import psycopg
from psycopg.rows import dict_row

from deploy.local.embedded import Servers
from shared.database import migrate
from shared.database.engine import driver_url
from tests.support.older import database_of, downgrade

_RUN = """
INSERT INTO reconciliations (provider, day, period_from, period_to, state)
VALUES ('mtn', '2026-09-10', '2026-09-10T00:00:00Z', '2026-09-11T00:00:00Z', 'done') RETURNING id
"""
_FOUND = """
INSERT INTO discrepancies (category, provider, identity, evidence, first_seen, run_id)
VALUES ('paid_elsewhere', 'mtn', %s, '{}', '2026-09-11T00:30:00Z', %s)
"""


def test_what_a_night_found_has_its_day_and_what_none_found_has_none(servers: Servers) -> None:
    with (
        database_of(servers.database_url, "0018") as url,
        contextlib.closing(psycopg.connect(driver_url(url), autocommit=True, row_factory=dict_row)) as connection,
    ):
        (run,) = connection.execute(_RUN).fetchall()
        connection.execute(_FOUND, ("a", run["id"]))
        connection.execute(_FOUND, ("b", None))
        migrate.upgrade(url)
        rows = connection.execute("SELECT first_day FROM discrepancies ORDER BY identity").fetchall()
        assert [row["first_day"] for row in rows] == [date(2026, 9, 10), None]
        assert connection.execute("SELECT divided FROM reconciliations").fetchall() == [{"divided": False}]
        downgrade(url, "0018")
        assert connection.execute("SELECT count(*) AS n FROM discrepancies").fetchall() == [{"n": 2}]
