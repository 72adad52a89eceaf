"""A line that a person named before lines were kept as taken is taken after the upgrade."""

import contextlib

from psycopg.rows import dict_row

from deploy.local.embedded import Servers
from shared.database import migrate, session
from shared.domain.payment import State
from tests.support.older import database_of, downgrade
from tests.support.stored import add_payment

_KEEP = """INSERT INTO resolutions (payment_id, action, from_state, reason, by_whom, line, look)
VALUES (%s, %s, 'parked', 'r', 'Ann', %s, %s::jsonb)"""


def test_the_lines_of_the_release_before_are_taken(servers: Servers) -> None:
    with (
        database_of(servers.database_url, "0017") as url,
        contextlib.closing(session.connect(url, "test", row_factory=dict_row)) as connection,
    ):
        migrate.upgrade(url)  # payments are put there as they are now
        taken, other = (add_payment(connection, name, State.PARKED) for name in ("p1", "p2"))
        connection.execute("UPDATE payments SET books_key = 'a:1' WHERE id = %s", (taken,))
        downgrade(url, "0017")
        connection.execute(_KEEP, (taken, "succeeded", "P-7", '{"verdict": "inconclusive"}'))
        connection.execute(_KEEP, (other, "look", "P-8", None))
        connection.execute(_KEEP, (other, "succeeded", "P-9", '{"verdict": "applied"}'))
        migrate.upgrade(url)
        rows = connection.execute("SELECT account, line, payment_id, by_whom FROM taken_lines").fetchall()
        assert rows == [{"account": "a:1", "line": "P-7", "payment_id": taken, "by_whom": "Ann"}]
