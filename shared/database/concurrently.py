"""Indexes that are made, or dropped, while others write: for migrations alone.

PostgreSQL makes such an index outside of any transaction, so what came before it in the migration is committed first,
and one that was cut short leaves an index that is not valid. All of it is therefore safe to repeat. It waits for
transactions that are under way and keeps nobody waiting, so no limit of a lock's holds here, only one of the whole.
"""

import re

from alembic import op
from sqlalchemy import text

LIMIT_S = 6 * 3600
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_VALID = """
SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)
"""


def create_index(name: str, on: str, *, unique: bool = False) -> None:
    """Make the index `name`, of the schema public, on what `on` says: `payments (provider, due_at) WHERE …`.

    One of that name that is there and valid is left alone; one that was cut short is made anew.
    """
    qualified = _public(name)
    with op.get_context().autocommit_block():
        _without_limit_of_locks()
        if not op.get_context().as_sql:
            row = op.get_bind().execute(text(_VALID), {"name": qualified}).fetchone()
            if row is not None and row[0]:
                return _with_it_again()
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {qualified}")
        op.execute(f"CREATE {'UNIQUE ' if unique else ''}INDEX CONCURRENTLY {name} ON {on}".replace(":", r"\:"))
        return _with_it_again()


def drop_index(name: str) -> None:
    """Drop it, if it is there."""
    with op.get_context().autocommit_block():
        _without_limit_of_locks()
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {_public(name)}")
        _with_it_again()


def _public(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no plain name of an index")
    return f"public.{name}"


def _without_limit_of_locks() -> None:
    op.execute("SET lock_timeout = 0")
    op.execute(f"SET statement_timeout = '{LIMIT_S}s'")


def _with_it_again() -> None:
    from shared.database.migrate import LOCK_S  # noqa: PLC0415 - which imports Alembic's commands

    op.execute(f"SET lock_timeout = '{LOCK_S * 1000:.0f}ms'")
    op.execute("SET statement_timeout = 0")
