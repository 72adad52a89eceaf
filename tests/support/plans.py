"""How PostgreSQL goes about what the product asks: which indexes, and how many rows are looked at."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pytest

from shared.database.engine import Connection, Database

_READS = re.compile(r"\s*(WITH|SELECT)\b")
Read = Callable[[Connection], object]


def plans(database: Database, read: Read, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """How PostgreSQL went about each statement of these."""
    said: list[tuple[str, Any]] = []
    execute = psycopg.Cursor.execute

    def heard(self: "psycopg.Cursor[Any]", query: Any, params: Any = None, **options: Any) -> "psycopg.Cursor[Any]":
        if isinstance(query, str) and _READS.match(query):
            said.append((query, params))
        return execute(self, query, params, **options)

    with database.connection() as connection:
        with monkeypatch.context() as patched:
            patched.setattr(psycopg.Cursor, "execute", heard)
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
