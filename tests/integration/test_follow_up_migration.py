"""A database of the release before follow-ups is brought up to date: receipts stay what they are."""

import contextlib
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import dict_row

from deploy.local.embedded import Servers
from shared.database import migrate, version
from shared.database.engine import driver_url
from shared.follow_ups.lane import claim_due
from tests.support.older import database_of


@pytest.fixture
def old_url(servers: Servers) -> Iterator[str]:
    """A database as 0002 left it."""
    with database_of(servers.database_url, "0002") as url:
        yield url


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
        version.require(connection)
