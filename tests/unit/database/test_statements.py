"""The .sql files beside modules."""

import re
from pathlib import Path

import pytest

from shared.database.statements import statements


def written(folder: Path, text: str) -> str:
    (folder / "verb.sql").write_text(text)
    return str(folder / "verb.py")


def test_each_statement_has_its_name_and_no_comment(tmp_path: Path) -> None:
    one = "-- name: one\n-- 100 % why\nSELECT 1\n    -- inside\nFROM t\n"
    text = f"-- what a reader is told\n\n{one}\n-- name: two\nSELECT 2\n"
    assert dict(statements(written(tmp_path, text))) == {"one": "SELECT 1\nFROM t", "two": "SELECT 2"}


@pytest.mark.parametrize("text", ["SELECT 1\n-- name: two\nSELECT 2\n", "-- name: a\nSELECT 1\n-- name: a\nSELECT 2\n"])
def test_a_statement_without_a_name_or_with_another_ones_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="verb"):
        statements(written(tmp_path, text))


# Who says SQL to PostgreSQL, beside a room's store: the faces that rooms show to others, and what all stand on.
SAY_SQL = re.compile(
    r"shared/(database/|\w+/store/|\w+/views\.py|archive/(recall|twins)|events/(outbox|feed)|follow_ups/(lane|resolve)"
    r"|payments/(quarantine|pairs|held|search)|audit|people/\w+|reconciliation/(turn|compare|evidence)|discrepancies|inbox|lanes"
    r"|runtime)|scheduler/(job_runs|relay)"
)


def test_sql_is_said_in_its_places_only() -> None:
    files = [path for root in ("shared", "worker", "scheduler") for path in Path(root).rglob("*.py")]
    says = [str(path) for path in files if re.search(r"(connection|cursor|lock)\.execute\(", path.read_text())]
    assert len(says) > 40
    assert [path for path in says if not SAY_SQL.match(path)] == []


def test_every_statement_is_used_by_the_module_beside_it() -> None:
    files = [path for root in ("shared", "scheduler") for path in Path(root).rglob("*.sql")]
    found = [path for path in files if "migrations" not in path.parts and path.name not in ("schema.sql", "grants.sql")]
    assert len(found) > 20
    for path in found:
        module = path.with_suffix(".py").read_text()
        assert [name for name in statements(str(path)) if f'_SQL["{name}"]' not in module] == [], path
