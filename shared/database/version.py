"""Which schema a database has, and whether this code can work with it.

It is asked before anything else is: on another schema a statement fails in the middle of the flow, or does half of it.

A version of the schema is the number of its last migration, a version of the code that of the last one it knows. A
migration is of one *half*: `pre` only adds, so that the code before it goes on; `post` takes away what the code before
it used. The database keeps which versions of the code can work with it, the least and the most (`code_range`).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import tuple_row

# What PostgreSQL says of a statement that was written for another schema. None of it means that it doesn't answer.
MISSING = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)
FOLDER = Path(__file__).parent / "migrations" / "versions"
RANGE_SINCE = "0020"  # the migration that made `code_range`: before it, code works with its own version alone
PRE, POST = "pre", "post"
_HALF = re.compile(rf'^half = "({PRE}|{POST})"', re.MULTILINE)
_VERSION = re.compile(r"[0-9]{4}")


class WrongSchema(Exception):  # noqa: N818 - says what is
    """The database has no schema of ours, or one that this code can't work with. The message is a sentence that says
    what to do. It is no error of psycopg's: nobody takes it for a PostgreSQL that doesn't answer."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A database's: its version, and the versions of the code that work with it, from `least` to `most`."""

    version: str
    least: str
    most: str

    @classmethod
    def alone(cls, version: str) -> "Schema":
        """One that the code of its own version works with, and no other."""
        return cls(version, version, version)


@dataclass(frozen=True, slots=True)
class Migration:
    """One that this code knows. half: PRE or POST; one that doesn't say is PRE."""

    version: str
    half: str


def known() -> tuple[str, ...]:
    """The schema's versions that this code knows, oldest first. The last one is this code's own version."""
    return tuple(migration.version for migration in migrations())


def migrations() -> tuple[Migration, ...]:
    """Those that this code knows, in the order in which they run."""
    return _migrations(FOLDER)


@lru_cache(maxsize=4)
def _migrations(folder: Path) -> tuple[Migration, ...]:
    found = {}
    for path in folder.glob("[0-9]*.py"):
        said = _HALF.search(path.read_text("utf-8"))
        found[path.name.partition("_")[0]] = said.group(1) if said else PRE
    return tuple(Migration(version, half) for version, half in sorted(found.items()))


def pending(version: str | None) -> tuple[Migration, ...]:
    """The migrations that a database of this version lacks, of those that this code knows."""
    return tuple(migration for migration in migrations() if version is None or migration.version > version)


def look(connection: "psycopg.Connection[Any]") -> Schema | None:
    """What schema this database has; None: it has none. Raises psycopg.Error."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        there = cursor.execute(
            "SELECT to_regclass('public.alembic_version') IS NOT NULL, to_regclass('public.code_range') IS NOT NULL"
        ).fetchone()
        assert there is not None  # noqa: S101 - a SELECT without FROM has one row
        if not there[0]:
            return None
        ranged = "least, most FROM public.alembic_version, public.code_range"
        plain = "version_num, version_num FROM public.alembic_version"
        row = cursor.execute(f"SELECT version_num, {ranged if there[1] else plain}".encode()).fetchone()
    return None if row is None else Schema(*map(str, row))


def wrong(schema: Schema | None) -> str | None:
    """Why this code can't work with that schema, and what to do, in a sentence; None: it can."""
    mine = known()[-1]
    if schema is None:
        return "the database has no settlepipe schema; run `settlepipe db upgrade`"
    if not _sound(schema) or schema.least > mine:
        return (
            f"the database's schema is {schema.version}, and this settlepipe knows none after {mine}; run the newer"
            " settlepipe that upgraded it"
        )
    if schema.most < mine or any(one.half == PRE for one in pending(schema.version)):
        return (
            f"the database's schema is {schema.version}, and this settlepipe needs {mine}; run `settlepipe db upgrade`"
        )
    return None


def _sound(schema: Schema) -> bool:
    """Is its range one that a settlepipe wrote? What nobody knows is not compared with what we know."""
    return all(_VERSION.fullmatch(text) for text in (schema.version, schema.least, schema.most)) and (
        schema.least <= schema.most >= schema.version
    )


def newest(schema: Schema | None) -> bool:
    """Is it this code's own, so that `migrate.upgrade` has nothing to do?"""
    mine = known()[-1]
    return schema is not None and schema.version == mine and schema.most >= mine


def no_newer(schema: Schema | None) -> None:
    """Raises WrongSchema for a schema that this code can't bring up to date: a newer settlepipe's."""
    if schema is not None and schema.version not in known():
        raise WrongSchema(
            f"the database's schema is {schema.version}, and this settlepipe knows none after {known()[-1]}; run the"
            " newer settlepipe that upgraded it"
        )


def require(connection: "psycopg.Connection[Any]") -> None:
    """Raises WrongSchema; psycopg.Error when it can't be asked."""
    sentence = wrong(look(connection))
    if sentence is not None:
        raise WrongSchema(sentence)
