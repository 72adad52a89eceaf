"""Releases that do not exist: this one with made-up migrations after its own."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from shared.database import version
from tests.support.stack import ROOT

_MIGRATION = '''"""Made up."""

from alembic import op
{imports}
revision = "{version}"
down_revision = "{before}"
half = "{half}"


def upgrade() -> None:
{body}

def downgrade() -> None:
    raise NotImplementedError
'''
_IMPORT = "from shared.database import concurrently\n"


def numbered(count: int) -> tuple[str, ...]:
    """So many versions after this code's own."""
    mine = int(version.known()[-1])
    return tuple(f"{mine + number:04}" for number in range(1, count + 1))


def least() -> str:
    """The oldest code that works with this code's own schema: nothing that it uses was taken away since."""
    taking = [one.version for one in version.migrations() if one.half == version.POST]
    return max([version.RANGE_SINCE, *taking])


def add(folder: Path, *made: tuple[str, str, str]) -> None:
    """Write migrations into this folder of versions. made: version, half, and the Python of its `upgrade`."""
    for number, half, body in made:
        before = max(path.name[:4] for path in folder.glob("[0-9]*.py"))
        lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
        imports = _IMPORT if "concurrently" in body else ""
        written = _MIGRATION.format(version=number, before=before, half=half, body=lines, imports=imports)
        (folder / f"{number}_made_up.py").write_text(written)


def folder_with(folder: Path, *made: tuple[str, str, str]) -> Path:
    """The product's migrations and these after them, in a folder of their own."""
    copied = folder / "versions"
    shutil.copytree(version.FOLDER, copied, ignore=shutil.ignore_patterns("__pycache__"))
    add(copied, *made)
    return copied


def tree_with(folder: Path, *made: tuple[str, str, str], changed: Mapping[str, tuple[str, str]] | None = None) -> Path:
    """A copy of the product whose last migrations are these: the next release's code. changed: of a file, what stands
    there and what stands there in that release."""
    for package in ("shared", "worker", "scheduler", "deploy"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    add(folder / version.FOLDER.relative_to(ROOT), *made)
    for path, (old, new) in (changed or {}).items():
        text = (folder / path).read_text()
        assert text.count(old) == 1, path
        (folder / path).write_text(text.replace(old, new))
    return folder
