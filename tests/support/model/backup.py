"""What a backup holds of a database: its rows and its sequences. The clock that the tests move is no part of it."""

from dataclasses import dataclass
from typing import Any

from tests.support.flow import World

_TABLES = """
SELECT c.relname AS name, (
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
    AND c.relname NOT IN ('alembic_version', 'test_clock') ORDER BY 1
"""
_SEQUENCES = """
SELECT json_agg(json_build_object('name', sequencename, 'at', coalesce(last_value, start_value),
    'called', last_value IS NOT NULL))::text AS kept FROM pg_sequences WHERE schemaname = 'public'
"""
_PUT_SEQUENCES = """
SELECT setval(s.name::regclass, s.at, s.called)
FROM json_to_recordset(%s::json) AS s(name text, at bigint, called boolean)
"""


@dataclass(frozen=True)
class Backup:
    """rows: of each table that holds any."""

    columns: dict[str, str]
    rows: dict[str, str]
    sequences: str

    @classmethod
    def of(cls, world: World) -> "Backup":
        columns = {row["name"]: row["columns"] for row in world.rows(_TABLES)}
        each = (f"SELECT '{name}' AS name, json_agg(t)::text AS kept FROM {name} t" for name in columns)
        rows = {row["name"]: row["kept"] for row in world.rows(" UNION ALL ".join(each)) if row["kept"]}
        return cls(columns, rows, world.value(_SEQUENCES))

    def put_back(self, world: World) -> None:
        """The database is as it was then, and the world is not."""
        with world.connection.transaction():
            world.execute("SET LOCAL session_replication_role = replica")
            for name in self.columns:
                world.execute(f"DELETE FROM {name}")
            for name, kept in self.rows.items():
                columns = self.columns[name]
                statement = f"""INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE
                    SELECT {columns} FROM json_populate_recordset(NULL::{name}, %s::json)"""
                world.execute(statement, kept)
            put: Any = world.rows(_PUT_SEQUENCES, self.sequences)
            assert put
