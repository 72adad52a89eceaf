"""A pooler in front of PostgreSQL: is what it leads to our database, and are the sessions that it makes as ours are?

A session of a pooler's begins with what the role has set in this database (`pins`). Whatever moves money looks once
more, in its own statement (`pinned` in shared/database/schema.sql).
"""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import CannotConnectNow
from psycopg.rows import tuple_row

from shared.database.session import POOLED, Unusable

_PLACE = """SELECT (SELECT system_identifier FROM pg_control_system())
    || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())"""
# Units as PostgreSQL keeps them. Over a socket of the machine's own there is no TCP to be set.
_OTHER = """SELECT s.name, s.setting
    FROM pg_settings s JOIN unnest(%s::text[], %s::text[]) AS p(name, value) USING (name)
    WHERE s.setting <> p.value AND NOT (s.name LIKE 'tcp%%' AND s.setting = '0') ORDER BY s.name"""

_LOOKS = 20
_PINS = ",\n        ".join(f"('{name}', '{value}')" for name, value in POOLED)

Connection = psycopg.Connection[Any]


def require(direct: Connection, pooled: Connection) -> None:
    """Raises Unusable, in a sentence, where the pooler leads elsewhere than SETTLEPIPE_DATABASE_URL does, or makes
    sessions that may not move money. psycopg.Error when it can't be asked."""
    if place(direct) != place(pooled):
        raise Unusable(
            "SETTLEPIPE_DATABASE_POOL_URL leads to another database than SETTLEPIPE_DATABASE_URL; name the same in both"
        )
    try:
        pooled.execute("SELECT public.pinned()")
    except CannotConnectNow as error:
        raise Unusable(error.diag.message_primary or str(error)) from None


def place(connection: Connection) -> str:
    """Which server's data, and which database in it: the same for a primary and its standbys."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_PLACE).fetchone()
    return row[0] if row else ""


def shares(one: Connection, other: Connection) -> bool:
    """Does one session serve both clients, though both stay connected? While much goes on that may not be seen."""
    asked = [(_session(one), _session(other)) for _ in range(_LOOKS)]
    return not {first for first, _ in asked}.isdisjoint(second for _, second in asked)


def _session(connection: Connection) -> int:
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0


def unpinned(pooled: Connection) -> list[str]:
    """Settings that this session has otherwise than a session of ours: each as `name is value`."""
    names, values = zip(*POOLED, strict=True)
    with pooled.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(_OTHER, (list(names), list(values))).fetchall()
    return [f"{name} is {value or 'empty'}" for name, value in rows]


def pins(role: str) -> str:
    """Statements for psql, as a superuser in our database: whatever session this role has there begins with what a
    session of ours sets. What a version of PostgreSQL doesn't know is left out."""
    named = sql.Literal(role).as_string(None)
    return f"""-- Run it again after an upgrade of settlepipe, and RECONNECT in the pooler's console after it.
DO $pins$
DECLARE pin record;
BEGIN
    FOR pin IN SELECT name, value FROM (VALUES
        {_PINS}) AS pins(name, value)
        WHERE current_setting(name, true) IS NOT NULL
    LOOP
        BEGIN
            EXECUTE format('ALTER ROLE %I IN DATABASE %I SET %s = %L',
                {named}, current_database(), pin.name, pin.value);
        EXCEPTION WHEN insufficient_privilege THEN
            IF pin.name <> 'session_replication_role' THEN  -- a superuser's to set; it is looked at all the same
                RAISE;
            END IF;
        END;
    END LOOP;
END $pins$;
"""
