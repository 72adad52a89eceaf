"""One session with PostgreSQL, the same whatever the server's owner has set. Every connection is made here.

Settings of the server, the database, the role, the URL and the environment (PGOPTIONS and its like) come first; what
changes how our statements read, write, lock, commit, sort or fire triggers is then set in the session, which beats
them all. What a session may not set is looked at, and refused in a sentence.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

STATEMENT_S = 30.0
CONNECT_TIMEOUT_S = 5
# Whoever says nothing for so long while others wait for it is frozen (stopped, swapped out, its machine suspended):
# PostgreSQL ends its session. No transaction of ours waits for anything but PostgreSQL and, for an instant, the broker.
FROZEN_AFTER_S = 30.0

# Setting, value, and why. What a version of PostgreSQL doesn't know is left out there.
PINS: tuple[tuple[str, str, str], ...] = (
    (
        "default_transaction_isolation",
        "read committed",
        "who waited for a row's lock must see what the other committed",
    ),
    ("default_transaction_read_only", "off", "a session that can't write keeps no outcome"),
    ("default_transaction_deferrable", "off", "a report must not wait for a safe snapshot"),
    ("synchronous_commit", "on", "a claim that a crash forgets is on the wire all the same, and is sent again"),
    ("lock_timeout", "0", "how long a statement may wait for a lock is bounded by its own time"),
    ("transaction_timeout", "0", "a comparison takes as long as it takes; the sign of life lives as long as we do"),
    # Another path would find no tables, or make a second set of them, which never saw the payments of the first; or
    # somebody's function in place of PostgreSQL's.
    ("search_path", "public", "our tables are in the schemas public and archive, wherever a path leads"),
    ("row_security", "off", "a policy that would hide rows of ours is an error, never fewer payments"),
    ("exit_on_error", "off", "an error ends its transaction, not the session and the locks that it holds"),
    ("restrict_nonsystem_relation_kind", "", "it is for dumps of what one doesn't trust"),
    ("gin_fuzzy_search_limit", "0", "a search gives every row"),
    ("transform_null_equals", "off", "x = NULL is unknown, as everywhere"),
    ("array_nulls", "on", "a NULL in an array is no text"),
    ("standard_conforming_strings", "on", "a backslash in a text is a backslash"),
    ("client_encoding", "UTF8", "metadata is in any script"),
    ("DateStyle", "ISO, MDY", "the driver reads no other, and what was claimed must be read"),
    ("IntervalStyle", "postgres", "the driver reads no other"),
    ("TimeZone", "UTC", "times as text are UTC: in events, exports and reports"),
    ("bytea_output", "hex", "bytes as text are hex, in whatever is made of them"),
    ("extra_float_digits", "1", "a float that is read is the one that was written"),
    ("lc_numeric", "C", "numbers as text have a point"),
    ("lc_monetary", "C", "amounts as text have a point"),
    ("lc_time", "C", "names of days and months are English"),
    ("xmloption", "content", "the default"),
    ("quote_all_identifiers", "off", "names as text are as they were given"),
    ("client_min_messages", "notice", "nobody reads more"),
    ("default_table_access_method", "heap", "a run's table is made as the migrations' are; others can't update"),
    ("check_function_bodies", "on", "a migration that can't work fails"),
    ("plpgsql.extra_errors", "none", "a trigger does what its text says"),
    ("tcp_keepalives_idle", "10", "a machine that died without a word is noticed in half a minute: its locks go"),
    ("tcp_keepalives_interval", "5", "the same"),
    ("tcp_keepalives_count", "3", "the same"),
    ("tcp_user_timeout", "30000", "the same, while an answer is on its way"),
)

# On our side of the wire. What the URL says about these is the owner's business, and counts.
_DEFAULTS: Mapping[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

_PIN = """
SET statement_timeout = {statement_ms};
SET search_path = public;
SELECT count(set_config(p.name, p.value, false)) > 0, getdatabaseencoding() = 'UTF8',
    current_setting('session_replication_role') = 'origin'
FROM (VALUES {values}) AS p(name, value) WHERE current_setting(p.name, true) IS NOT NULL
"""


# What a session of ours that a pooler made lasts, and how long it may be silent in a transaction.
POOLED: tuple[tuple[str, str], ...] = (
    *((name, value) for name, value, _ in PINS),
    ("statement_timeout", str(round(STATEMENT_S * 1000))),
    ("idle_in_transaction_session_timeout", str(round(FROZEN_AFTER_S * 1000))),
    ("idle_session_timeout", "0"),
    ("session_replication_role", "origin"),
)


class Unusable(psycopg.OperationalError):
    """This database can't be used as it is. The message is a sentence that says why, and what to do."""


class BadDatabaseUrl(Unusable):
    """What was given is no URL of a PostgreSQL."""

    def __init__(self) -> None:
        super().__init__(
            "SETTLEPIPE_DATABASE_URL is not a PostgreSQL URL; write postgresql://user:password@host:port/name"
        )


def driver_url(database_url: str) -> str:
    """The URL as it was given, for libpq: only the name of a driver is taken off its scheme."""
    return re.sub(r"^(postgres(?:ql)?)\+[^:/]*://", r"\1://", database_url)


def parameters(database_url: str) -> dict[str, Any]:
    """What libpq reads from the URL (or a `key=value` text), beside our defaults. Raises BadDatabaseUrl."""
    try:
        return {**_DEFAULTS, **conninfo_to_dict(driver_url(database_url))}
    except psycopg.ProgrammingError:  # its message may show the password
        raise BadDatabaseUrl from None


def connect(
    database_url: str,
    application: str,
    *,
    row_factory: Any = tuple_row,
    statement_s: float = STATEMENT_S,
    idle_s: float = 0,
    frozen_after_s: float = FROZEN_AFTER_S,
) -> "psycopg.Connection[Any]":
    """An autocommit connection whose session is pinned. Raises psycopg.OperationalError; Unusable is one.

    statement_s: the longest that one statement may take. frozen_after_s: a transaction in which nothing was said for
    so long is ended, with its session. idle_s: the session is ended when nothing was said for so long at all. 0: never.
    """
    given = parameters(database_url) | {"application_name": application}
    connection = psycopg.connect(**given, autocommit=True, row_factory=tuple_row)
    try:
        _must_be_direct(connection)
        _pin(connection, statement_s, idle_s, frozen_after_s)
        connection.row_factory = row_factory
    except BaseException:
        connection.close()
        raise
    return connection


def connect_pooled(database_url: str, application: str, *, row_factory: Any = tuple_row) -> "psycopg.Connection[Any]":
    """An autocommit connection through a pooler that gives each transaction any session that is free: nothing is set,
    nothing is prepared. What a session of ours has pinned is the role's (`settlepipe db pins`). Raises
    psycopg.OperationalError; Unusable is one.
    """
    # Poolers refuse options, those of the environment too, and keep the encoding of each client.
    given = parameters(database_url) | {"application_name": application, "options": "", "client_encoding": "UTF8"}
    connection = psycopg.connect(**given, autocommit=True, prepare_threshold=None, row_factory=row_factory)
    for variable, name, pinned in (("PGTZ", "TimeZone", "UTC"), ("PGDATESTYLE", "DateStyle", "ISO, MDY")):
        if os.environ.get(variable) and connection.info.parameter_status(name) != pinned:  # libpq tells it the pooler
            connection.close()
            raise Unusable(f"{variable} in this process's environment changes what statements mean; unset it")
    return connection


def _must_be_direct(connection: "psycopg.Connection[Any]") -> None:
    # Who makes the session says its number. A pooler answers before it has one, so it says one of its own.
    row = connection.execute("SELECT pg_catalog.pg_backend_pid()").fetchone()
    if row is None or row[0] != connection.info.backend_pid:
        raise Unusable(
            "a connection pooler answers at SETTLEPIPE_DATABASE_URL, and gives sessions with their locks to others;"
            " name PostgreSQL itself there, and the pooler in SETTLEPIPE_DATABASE_POOL_URL"
        )


def _pin(connection: "psycopg.Connection[Any]", statement_s: float, idle_s: float, frozen_after_s: float) -> None:
    pins = [(name, value) for name, value, _ in PINS]
    pins.append(("idle_session_timeout", str(_milliseconds(idle_s))))
    pins.append(("idle_in_transaction_session_timeout", str(_milliseconds(frozen_after_s))))
    values = ", ".join(f"('{name}', '{value}')" for name, value in pins)
    cursor = connection.execute(_PIN.format(statement_ms=_milliseconds(statement_s), values=values).encode())
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - an aggregate always returns its row
    _, utf8, origin = row
    if not utf8:
        encoding = connection.info.parameter_status("server_encoding")
        raise Unusable(
            f"the database's encoding is {encoding}, which can't hold every text; make one with ENCODING 'UTF8'"
        )
    if not origin:
        _fire_triggers(connection)


def _fire_triggers(connection: "psycopg.Connection[Any]") -> None:
    # Events, follow-ups and the rules of states are triggers: as a replica writes, nothing of that would happen.
    try:
        connection.execute("SET session_replication_role = origin")
    except psycopg.errors.InsufficientPrivilege:
        raise Unusable(
            "session_replication_role is set so that triggers don't fire; reset it for this database, role and server"
        ) from None


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000)) if seconds else 0
