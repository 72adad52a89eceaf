"""A database of the release before follow-ups is brought up to date: receipts stay what they are."""

import contextlib
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from alembic import command
from psycopg.rows import dict_row
from sqlalchemy import create_engine

from deploy.local.embedded import Servers
from shared.store import migrate
from shared.store.engine import driver_url, sqlalchemy_url
from shared.store.follow_ups import claim_due


@pytest.fixture
def old_url(servers: Servers) -> Iterator[str]:
    """A database as 0002 left it."""
    name = "settlepipe_before_follow_ups"
    url = urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{name}"))
    admin = urlunsplit(urlsplit(servers.database_url)._replace(path="/postgres"))
    with psycopg.connect(driver_url(admin), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        config, engine = migrate._config(), create_engine(sqlalchemy_url(url))
        with engine.connect() as migrating:
            config.attributes["connection"] = migrating
            command.upgrade(config, "0002")
        engine.dispose()
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


_PAYMENT = """
INSERT INTO payments (id, source, intent_id, provider, operation, amount_minor, currency, places, paid_at, target,
    receipt, notify, state, due_at, sent_reference, path, body, body_sha256)
VALUES (%(id)s, 'shop', 'p' || %(id)s, 'billcenter', 'settle', 100, 'MNT', 2, now(), '{}',
    '{"register": ""}', '{"sms": "995500000001"}', 'accepted', now(), 'sp-' || %(id)s, '/p', 'x', sha256('x'))
"""
_SUCCEEDED = """
UPDATE payments SET state = 'dispatched'; UPDATE payments SET state = 'sending';
UPDATE payments SET state = 'succeeded', due_at = NULL
"""


def test_receipts_keep_their_states_and_old_payments_get_no_message(old_url: str) -> None:
    with contextlib.closing(psycopg.connect(driver_url(old_url), autocommit=True, row_factory=dict_row)) as connection:
        connection.execute("INSERT INTO lanes (provider) VALUES ('billcenter')")
        for number in (1, 2, 3):
            connection.execute(_PAYMENT, {"id": number})
        connection.execute(_SUCCEEDED)
        connection.execute(
            """UPDATE receipts SET state = 'issued', attempts = 2, due_at = NULL, finished_at = now(),
            detail = 'done', path = '/r', body = 'y',
            body_sha256 = sha256('y'), answer = '{"lottery": "made up"}' WHERE payment_id = 1"""
        )
        connection.execute("UPDATE receipts SET state = 'parked', due_at = NULL WHERE payment_id = 2")
        before = connection.execute("SELECT * FROM receipts ORDER BY payment_id").fetchall()
        assert len(before) == 3

        migrate.upgrade(old_url)
        migrate.upgrade(old_url)

        after = connection.execute("SELECT * FROM follow_ups ORDER BY payment_id").fetchall()
        assert [{name: row[name] for name in before[0]} for row in after] == before
        assert {row["kind"] for row in after} == {"receipt"}
        assert claim_due(connection, "billcenter", 10, 60) == [after[2]["id"]]
        assert migrate.is_current(old_url)
