"""What a PostgreSQL's owner has set that concerns us: what a session can't mend, and what each of ours does."""

from collections.abc import Iterator
from typing import Any

import psycopg

from shared.database.session import PINS, POOLED

Found = tuple[str, bool, str]
"""What was looked at, is it as it should be, and a sentence for people."""

_LIMITS = ("statement_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout")


def look(connection: "psycopg.Connection[Any]") -> Iterator[Found]:
    """Everything here."""
    yield durability(connection)
    yield settings(connection)
    yield collation(connection)


def durability(connection: "psycopg.Connection[Any]") -> Found:
    """Does what was committed survive a crash? No session can set that."""
    wrong = connection.execute(
        """SELECT string_agg(format('%s is %s', name, setting), ', ' ORDER BY name) FROM pg_settings
        WHERE (name, setting) IN (('fsync', 'off'), ('full_page_writes', 'off'), ('zero_damaged_pages', 'on'))"""
    ).fetchone()
    if wrong and wrong[0]:
        sentence = f"{wrong[0]}: a power cut can lose payments, or all of it; set PostgreSQL's default again"
        return "database durability", False, sentence
    return "database durability", True, "what was committed survives a crash"


def settings(connection: "psycopg.Connection[Any]") -> Found:
    """What the owner set otherwise than PostgreSQL does, and settlepipe's sessions set again: no fault."""
    names = [name for name, *_ in PINS if not name.startswith(("tcp_", "lc_"))]
    row = connection.execute(
        """SELECT string_agg(format('%%s is %%s', name, reset_val), ', ' ORDER BY name) FROM pg_settings
        WHERE name = ANY(%s) AND reset_val <> boot_val AND name NOT IN ('TimeZone', 'client_encoding')
            AND (name, reset_val) NOT IN (SELECT * FROM unnest(%s::text[], %s::text[]))""",  # `settlepipe db pins`
        ([*names, *_LIMITS], *map(list, zip(*POOLED, strict=True))),
    ).fetchone()
    if row and row[0]:
        return "database settings", True, f"{row[0]}: settlepipe's own sessions work with PostgreSQL's defaults"
    return "database settings", True, "none that settlepipe's sessions have to set otherwise"


def collation(connection: "psycopg.Connection[Any]") -> Found:
    """Indexes of texts are in the order that the system's library had: another one doesn't find what is there."""
    row = connection.execute(
        """SELECT datcollversion, pg_database_collation_actual_version(oid) FROM pg_database
        WHERE datname = current_database()"""
    ).fetchone()
    if row and row[0] is not None and row[1] is not None and row[0] != row[1]:
        sentence = f"its texts were sorted by version {row[0]} of a library that is now {row[1]}; REINDEX the database"
        return "database collation", False, sentence + ", then ALTER DATABASE … REFRESH COLLATION VERSION"
    return "database collation", True, "the library that sorts its texts is the one that its indexes were made by"
