"""A relay of the release before replays had a cursor goes on where it was, and so it does on the way back."""

import contextlib

import psycopg
from psycopg.rows import dict_row

from deploy.local.embedded import Servers
from shared.database import migrate
from shared.database.engine import driver_url
from shared.events import outbox
from tests.support.older import database_of, downgrade


def test_the_relays_position_is_kept_there_and_back(servers: Servers) -> None:
    with (
        database_of(servers.database_url, "0009") as url,
        contextlib.closing(psycopg.connect(driver_url(url), autocommit=True, row_factory=dict_row)) as connection,
    ):
        connection.execute("INSERT INTO relay_position (entry_id) VALUES ('7-0')")
        connection.execute("INSERT INTO events (event_id, type, subject, data) VALUES ('1-1', 't', 's', '{}')")
        migrate.upgrade(url)
        assert outbox.begin(connection, 1) == outbox.Turn(1, "7-0")
        row = connection.execute("SELECT clock() - interval '1 h' AS t").fetchone()
        assert row is not None
        assert outbox.replay(connection, row["t"]) == 1
        downgrade(url, "0009")
        assert connection.execute("SELECT * FROM relay_position").fetchall() == [{"one": True, "entry_id": "7-0"}]
        assert connection.execute("SELECT count(*) AS n FROM events WHERE pending").fetchall() == [{"n": 1}]
