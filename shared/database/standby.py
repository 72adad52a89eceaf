"""A standby that reads are taken from: how late is it?"""

from typing import Any

import psycopg
from psycopg.rows import tuple_row

_LATE = """SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
    WHERE pg_is_in_recovery()"""


def late_s(connection: "psycopg.Connection[Any]") -> float | None:
    """What is read here is so many seconds old at most: as old as the last commit that came. None: it is no standby.

    One that has replayed no commit since it began may be as old as anything: infinity.
    Where nothing is committed that grows though nothing is missing; a dispatcher commits every few seconds.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_LATE).fetchone()
    if row is None:
        return None
    return float("inf") if row[0] is None else max(0.0, row[0])
