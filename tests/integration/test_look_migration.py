"""What a person was shown is kept from this release on; the way back loses no decision."""

import contextlib

from psycopg.rows import dict_row

from deploy.local.embedded import Servers
from shared.database import migrate, session
from shared.domain.payment import State
from tests.support.older import database_of, downgrade
from tests.support.stored import add_payment

_KEEP = "INSERT INTO resolutions (payment_id, action, from_state, reason, by_whom) VALUES (%s, %s, 'parked', 'r', 'b')"
_ALL = "SELECT action, reason, by_whom FROM resolutions ORDER BY id"


def test_decisions_of_the_release_before_stay_and_go_back(servers: Servers) -> None:
    with (
        database_of(servers.database_url, "0009") as url,
        contextlib.closing(session.connect(url, "test", row_factory=dict_row)) as connection,
    ):
        migrate.upgrade(url)  # payments are put there as they are now
        number = add_payment(connection, "p1", State.PARKED)
        downgrade(url, "0009")
        connection.execute(_KEEP, (number, "resend"))
        before = connection.execute(_ALL).fetchall()
        migrate.upgrade(url)
        assert connection.execute(_ALL).fetchall() == before
        row = connection.execute("SELECT although, line, look FROM resolutions").fetchone()
        assert row == {"although": None, "line": None, "look": None}
        connection.execute(_KEEP, (number, "look"))
        downgrade(url, "0009")
        assert connection.execute(_ALL).fetchall() == before, "a look alone decided nothing"
        migrate.upgrade(url)
        assert connection.execute(_ALL).fetchall() == before
