"""Between two releases the outbox and the mark in the events' rows are kept alike, whichever code carries and asks."""

import contextlib
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import dict_row

from deploy.local.embedded import Servers
from shared.database import migrate
from shared.database.engine import Connection, driver_url
from shared.events import outbox
from tests.support.older import database_of, downgrade

WRITE = "INSERT INTO events (event_id, type, subject, data) VALUES (%s, 't', 's', '{}') RETURNING id"
CARRIED = "UPDATE events e SET pending = false WHERE e.id = ANY(%s) AND e.pending"  # as the release before says it
AGAIN = "UPDATE events SET pending = true WHERE id = %s"


@pytest.fixture
def upgraded(servers: Servers) -> Iterator[tuple[str, Connection]]:
    """After the first half, on a database where the event 1 was told and 2 was not."""
    with (
        database_of(servers.database_url, "0027") as url,
        contextlib.closing(psycopg.connect(driver_url(url), autocommit=True, row_factory=dict_row)) as connection,
    ):
        for name in "12":
            connection.execute(WRITE, (name,))
        connection.execute(CARRIED, ([1],))
        migrate.upgrade(url, half="pre")
        yield url, connection


def told(connection: Connection) -> list[int]:
    """What waits in the outbox, and is marked."""
    waits = [row["id"] for row in connection.execute("SELECT id FROM outbox ORDER BY id").fetchall()]
    marked = connection.execute("SELECT id FROM events WHERE pending ORDER BY id").fetchall()
    assert waits == [row["id"] for row in marked]
    return waits


def test_the_release_before_carries_and_asks(upgraded: tuple[str, Connection]) -> None:
    _, connection = upgraded
    assert told(connection) == [2]
    connection.execute(WRITE, ("3",))
    assert told(connection) == [2, 3]
    connection.execute(CARRIED, ([2, 3],))
    assert told(connection) == []
    connection.execute(AGAIN, (1,))
    connection.execute(AGAIN, (1,))
    assert told(connection) == [1]


def test_this_release_carries_and_asks(upgraded: tuple[str, Connection]) -> None:
    url, connection = upgraded
    connection.execute(AGAIN, (1,))
    batch = outbox.pending(connection, 10)
    assert [event["event_id"] for event in batch] == ["1", "2"]
    connection.execute("INSERT INTO outbox AS o (id) VALUES (2) ON CONFLICT (id) DO UPDATE SET asked = o.asked + 1")
    assert outbox.carried(connection, batch, "1-1")
    assert told(connection) == [2]
    connection.execute("INSERT INTO outbox (id) VALUES (1)")
    assert told(connection) == [1, 2]
    migrate.upgrade(url)
    connection.execute(WRITE, ("3",))
    assert [event["event_id"] for event in outbox.pending(connection, 10)] == ["1", "2", "3"]
    assert outbox.carried(connection, outbox.pending(connection, 1), "1-2")
    downgrade(url, "0028")
    assert told(connection) == [2, 3]
    connection.execute(CARRIED, ([2],))
    assert told(connection) == [3]
    downgrade(url, "0027")
    marked = connection.execute("SELECT event_id FROM events WHERE pending").fetchall()
    assert marked == [{"event_id": "3"}]
