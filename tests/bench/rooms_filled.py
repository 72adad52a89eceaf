"""A store with very much in it that the pages of the control room show. All of it is made up."""

from collections.abc import Mapping

import psycopg

from shared.database.engine import driver_url
from shared.database.statements import statements

_SQL = statements(__file__)
_PARKED, _FINISHED, _MANY = 5, 10, 50  # one for so many open payments


def fill(database_url: str, open_payments: int) -> Mapping[str, int]:
    """So many open payments in an empty store, and what belongs to them; says how many there are of which."""
    given = {"open": open_payments, "finished": open_payments // _FINISHED, "many": open_payments // _MANY}
    with psycopg.connect(driver_url(database_url), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # nobody is told of these
        connection.execute("SET synchronous_commit = off")
        connection.execute("INSERT INTO lanes (provider) VALUES ('ubill'), ('mtn'), ('billcenter')")
        for statement in _SQL.values():
            connection.execute(statement.encode(), given)
        connection.execute("VACUUM ANALYZE")
    return {**given, "parked": open_payments // _PARKED}
