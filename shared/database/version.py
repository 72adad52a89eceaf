"""Which schema a database has, and whether this code can work with it.

It is asked before anything else is: on another schema a statement fails in the middle of the flow, or does half of it.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import tuple_row

# What PostgreSQL says of a statement that was written for another schema. None of it means that it doesn't answer.
MISSING = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)
_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"


class WrongSchema(Exception):  # noqa: N818 - says what is
    """The database has no schema of ours, or another one than this code's. The message is a sentence that says what
    to do. It is no error of psycopg's: nobody takes it for a PostgreSQL that doesn't answer."""


@lru_cache(maxsize=1)
def known() -> tuple[str, ...]:
    """The schema's versions that this code knows, oldest first. It works with the last one."""
    return tuple(sorted({path.name.partition("_")[0] for path in _MIGRATIONS.glob("[0-9]*.py")}))


def look(connection: "psycopg.Connection[Any]") -> str | None:
    """The schema's version in this database; None: it has none. Raises psycopg.Error."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        there = cursor.execute("SELECT to_regclass('public.alembic_version') IS NOT NULL").fetchone()
        if there != (True,):
            return None
        row = cursor.execute("SELECT version_num FROM public.alembic_version").fetchone()
    return None if row is None else str(row[0])


def wrong(version: str | None) -> str | None:
    """Why this code can't work with that version, and what to do, in a sentence; None: it can."""
    mine = known()[-1]
    if version == mine:
        return None
    if version is None:
        return "the database has no settlepipe schema; run `settlepipe db upgrade`"
    if version in known():
        return f"the database's schema is {version}, and this settlepipe needs {mine}; run `settlepipe db upgrade`"
    return (
        f"the database's schema is {version}, and this settlepipe knows none after {mine}; run the newer settlepipe"
        " that upgraded it"
    )


def no_newer(connection: "psycopg.Connection[Any]") -> None:
    """Raises WrongSchema for a schema that this code can't bring up to date; psycopg.Error when it can't be asked."""
    found = look(connection)
    sentence = wrong(found)
    if found is not None and found not in known() and sentence is not None:
        raise WrongSchema(sentence)


def require(connection: "psycopg.Connection[Any]") -> None:
    """Raises WrongSchema; psycopg.Error when it can't be asked."""
    sentence = wrong(look(connection))
    if sentence is not None:
        raise WrongSchema(sentence)
