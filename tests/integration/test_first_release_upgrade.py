"""A database of the first release with something in every state is brought up to date, and goes on working."""

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from alembic import command
from psycopg.rows import dict_row

from deploy.local.embedded import Servers
from shared.database import migrate
from shared.database.engine import driver_url
from tests.support.flow import running_world_on

WAYS = {
    "accepted": (),
    "dispatched": ("dispatched",),
    "sending": ("dispatched", "sending"),
    "waiting": ("dispatched", "sending", "waiting"),
    "unknown": ("dispatched", "sending", "unknown"),
    "parked": ("dispatched", "sending", "unknown", "parked"),
    "succeeded": ("dispatched", "sending", "succeeded"),
    "refused": ("refused",),
    "cancelled": ("cancelled",),
}
RECEIPTS = ("waiting", "dispatched", "sending", "issued", "refused", "parked")

_PAYMENT = """
WITH key AS (INSERT INTO intent_keys VALUES ('shop', 'p' || %(id)s, sha256('d'), %(id)s))
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    receipt, notify, due_at, sent_reference, path, body, body_sha256, resend_safe)
VALUES (%(id)s, 'shop', 'p' || %(id)s, 'safe', 'settle', 10000, 'MNT', 2, now(), '{"invoice": "i"}',
    '{"register": ""}', '{"sms": "995500000001"}', now() - interval '1 s', 'sp-' || %(id)s, '/p', 'x', sha256('x'),
    true)
"""
_MOVE = """
UPDATE payments SET state = %(to)s, attempts = attempts + (%(to)s = 'sending')::int,
    due_at = CASE WHEN %(to)s IN ('dispatched', 'sending', 'waiting', 'unknown') THEN now() - interval '1 s' END
WHERE id = %(id)s
"""
_ATTEMPT = """
INSERT INTO attempts (payment_id, number, started_at, lease_until, worker_key, body_sha256)
SELECT id, 1, now() - interval '1 hour', now() - interval '1 hour', 7, body_sha256 FROM payments WHERE attempts = 1
"""
_RECEIPT = """
UPDATE receipts SET state = %(state)s, attempts = 1, path = '/receipt', body = 'y', body_sha256 = sha256('y'),
    due_at = CASE WHEN %(state)s IN ('waiting', 'dispatched', 'sending') THEN now() - interval '1 s' END,
    finished_at = CASE WHEN %(state)s IN ('issued', 'refused') THEN now() END
WHERE payment_id = %(id)s
"""
_LISTED = """
INSERT INTO directory_rows (provider, kind, item_id, key, data, closed_at)
VALUES ('safe', 'bank_accounts', %s, %s, %s, CASE WHEN %s THEN now() END)
"""
_ROWS = [  # item, service, data, closed?
    ("1", "140", '{"account": "A1", "khut_type": 1}', False),
    ("2", "140", '{"account": "A2", "khut_type": 2}', False),
    ("3", "141", '{"account": "OLD"}', True),
    ("3", "141", '{"account": "NEW"}', False),
    ("4", "142", '{"account": "GONE"}', True),
    ("5", "143", '{"account": null}', False),
    ("6", "144", '{"account": "TWICE"}', False),
    ("7", "144", '{"account": "TWICE", "bank_name": "made up"}', False),
    ("8", "145", '{"account": "RENAMED"}', True),
    ("8", "145", '{"account": "RENAMED", "bank_name": "made up"}', False),
]


@pytest.fixture
def old_url(servers: Servers) -> Iterator[str]:
    """A database as 0001 left it."""
    name = "settlepipe_first_release"
    url = urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{name}"))
    admin = urlunsplit(urlsplit(servers.database_url)._replace(path="/postgres"))
    with psycopg.connect(driver_url(admin), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        config = migrate._config()
        with migrate.connected(url) as migrating:
            config.attributes["connection"] = migrating
            command.upgrade(config, "0001")
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def fill(connection: "psycopg.Connection[Any]") -> dict[str, int]:
    """Payments in every state and receipts in every state (of payments that succeeded), by number."""
    connection.execute("INSERT INTO lanes (provider) VALUES ('safe')")
    ways = WAYS | {f"receipt {state}": WAYS["succeeded"] for state in RECEIPTS}
    numbers = {what: number for number, what in enumerate(ways, 1)}
    for what, way in ways.items():
        connection.execute(_PAYMENT, {"id": numbers[what]})
        for to in way:
            connection.execute(_MOVE, {"id": numbers[what], "to": to})
    connection.execute(_ATTEMPT)
    for state in RECEIPTS:
        connection.execute(_RECEIPT, {"id": numbers[f"receipt {state}"], "state": state})
    for row in _ROWS:
        connection.execute(_LISTED, row)
    connection.execute("INSERT INTO directory_lists VALUES ('safe', 'bank_accounts', 3, now(), NULL)")
    return numbers


def test_everything_stays_what_it_was_and_goes_on(old_url: str) -> None:
    with contextlib.closing(psycopg.connect(driver_url(old_url), autocommit=True, row_factory=dict_row)) as connection:
        numbers = fill(connection)
        before = {t: connection.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall() for t in ("payments", "events")}
        migrate.upgrade(old_url)
        waiting = {row["id"] for row in connection.execute("SELECT id FROM outbox").fetchall()}
        assert waiting == {row["id"] for row in before["events"] if row.pop("pending")}
        for table, rows in before.items():
            after = connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            assert [{name: row[name] for name in rows[0]} for row in after] == rows
        accounts = connection.execute("SELECT account FROM bank_accounts WHERE NOT to_confirm ORDER BY 1").fetchall()
        assert [row["account"] for row in accounts] == ["A1", "A2", "NEW", "RENAMED", "TWICE"]

    with running_world_on(old_url) as world:
        for _ in range(3):
            world.run("safe")
            world.advance(2000)
        sent = {numbers[state] for state in ("accepted", "dispatched", "sending", "waiting")}
        assert [number for number, _ in sorted(world.safe.sent)] == sorted(sent)
        states = {number: what if what in WAYS else "succeeded" for what, number in numbers.items()}
        states |= dict.fromkeys(sent, "succeeded")
        assert {row["id"]: row["state"] for row in world.rows("SELECT id, state FROM payments")} == states
        receipts = world.rows("SELECT payment_id, state FROM follow_ups WHERE kind = 'receipt'")
        ended = dict.fromkeys((*sent, numbers["succeeded"]), "issued")
        for state in RECEIPTS:
            becomes = {"refused": "refused", "parked": "parked", "sending": "parked"}
            ended[numbers[f"receipt {state}"]] = becomes.get(state, "issued")
        assert {row["payment_id"]: row["state"] for row in receipts} == ended
        messages = world.rows("SELECT payment_id FROM follow_ups WHERE kind = 'sms'")
        assert {row["payment_id"] for row in messages} == sent  # none for what had succeeded before
