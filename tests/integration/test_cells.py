"""A cell is the same whether PostgreSQL wrote it or Python."""

import psycopg

from shared.database.engine import driver_url
from shared.domain.cells import RUNS, SKIPPED, harmless, harmless_sql

STARTS = [*RUNS, *SKIPPED, *"aZ0{}~/: \u00e9я\u10d0\U0001f600\u0301", "", "'"]


def test_postgresql_and_python_write_the_same_cells(database_url: str) -> None:
    texts = [start + rest for start in STARTS for rest in ("", "x", "=1", " =1", "\u200b\uff0b", "1-2", "%s")]
    with psycopg.connect(driver_url(database_url)) as connection:
        statement = f"SELECT t, {harmless_sql('t')} FROM unnest(%s::text[]) AS u(t)"
        found = connection.execute(statement.encode(), (texts,)).fetchall()
        assert connection.execute(f"SELECT {harmless_sql('NULL::text')}".encode()).fetchall() == [(None,)]
    assert len(found) == len(texts) > 1000
    assert [(text, cell) for text, cell in found if cell != harmless(text)] == []
