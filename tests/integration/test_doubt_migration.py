"""A database of the release before each attempt told what it proves is brought up to date, and back."""

import contextlib

import psycopg
from psycopg.rows import dict_row

from deploy.local.embedded import Servers
from shared.database import migrate
from shared.database.engine import driver_url
from tests.support.older import database_of, downgrade

_LANE = "INSERT INTO lanes (provider, halted_at, halted_reason) VALUES ('ubill', now(), 'no funds')"
_PAYMENT = """
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    sent_reference, body, body_sha256, path, state, attempts, due_at)
VALUES (%s, 'shop', %s, 'ubill', 'settle', 100, 'GEL', 2, now(), '{}', %s, 'x', sha256('x'), '/', 'waiting', 1, now())
"""
_ATTEMPT = """
INSERT INTO attempts (payment_id, number, started_at, lease_until, ended_at, worker_key, body_sha256, meaning, kind)
VALUES (%s, 1, now(), now(), now(), 1, sha256('x'), 'halt', %s)
"""


def test_what_older_attempts_prove_is_known_after_the_upgrade_and_the_way_back_works(servers: Servers) -> None:
    with (
        database_of(servers.database_url, "0009") as url,
        contextlib.closing(psycopg.connect(driver_url(url), autocommit=True, row_factory=dict_row)) as connection,
    ):
        connection.execute(_LANE)
        for payment_id, kind in ((1, "login_refused"), (2, "forbidden")):
            connection.execute(_PAYMENT, (payment_id, f"i{payment_id}", f"r{payment_id}"))
            connection.execute(_ATTEMPT, (payment_id, kind))
        migrate.upgrade(url)
        judged = connection.execute("SELECT id, ever_doubtful(id, 0) AS doubt, ever_sent(id, 0) AS sent FROM payments")
        assert {row["id"]: (row["doubt"], row["sent"]) for row in judged.fetchall()} == {
            1: (False, False),
            2: (True, True),
        }
        connection.execute("UPDATE lanes SET halted_by_send = true")
        connection.execute("UPDATE lanes SET halted_at = NULL")
        lane = connection.execute("SELECT running, halted_by_send FROM lanes").fetchone()
        assert lane == {"running": True, "halted_by_send": False}
        downgrade(url, "0009")
        found = connection.execute("SELECT state FROM payments ORDER BY id").fetchall()
        assert [row["state"] for row in found] == ["waiting", "waiting"]
        migrate.upgrade(url)
