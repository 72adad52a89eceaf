"""How PostgreSQL goes about what the product asks: which indexes, and how many rows are looked at."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from shared.database.engine import Connection, Database

STATEMENT = re.compile(r"\s*(WITH|SELECT|UPDATE|INSERT|DELETE)\b")
_READS = re.compile(r"\s*(WITH|SELECT)\b")
Read = Callable[[Connection], object]
Hear = Callable[["psycopg.Cursor[Any]", str, Any], None]


@contextmanager
def heard(hear: Hear) -> Iterator[None]:
    """Every statement that is executed in this process until the block ends, with its parameters, before it is."""
    execute = psycopg.Cursor.execute

    def hearing(self: "psycopg.Cursor[Any]", query: Any, params: Any = None, **options: Any) -> "psycopg.Cursor[Any]":
        if isinstance(query, str):
            hear(self, query, params)
        return execute(self, query, params, **options)

    psycopg.Cursor.execute = hearing  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        psycopg.Cursor.execute = execute  # type: ignore[method-assign]


def plans(database: Database, read: Read) -> list[Any]:
    """How PostgreSQL went about each statement of these."""
    said: list[tuple[str, Any]] = []

    def hear(_: "psycopg.Cursor[Any]", query: str, params: Any) -> None:
        if _READS.match(query):
            said.append((query, params))

    with database.connection() as connection:
        with heard(hear):
            read(connection)
        found = [
            connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", given).fetchone() for query, given in said
        ]
    assert found
    return [row["QUERY PLAN"] for row in found if row is not None]


def nodes(plan: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(plan, list):
        for part in plan:
            yield from nodes(part)
    elif isinstance(plan, dict):
        if "Node Type" in plan:
            yield plan
        for part in plan.values():
            yield from nodes(part)


def looked_at(node: Mapping[str, Any]) -> float:
    """How many rows of its table a node looked at."""
    left = sum(count for name, count in node.items() if name.startswith("Rows Removed by "))
    return float(node["Actual Loops"] * (node["Actual Rows"] + left))
