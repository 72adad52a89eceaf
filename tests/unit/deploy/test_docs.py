"""The generated parts of the documents are what the code says now."""

import importlib.util
import re
from pathlib import Path

import pytest

from deploy import docs

DOCUMENTS = [
    docs.ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
]
MAKEFILE = (docs.ROOT / "Makefile").read_text("utf-8")


@pytest.mark.parametrize(("document", "name"), docs.GENERATED)
def test_a_generated_part_of_a_document_is_current(document: str, name: str) -> None:
    text = (docs.ROOT / document).read_text("utf-8")
    assert docs.current(document, name, text, docs.GENERATED[document, name]()) == text, "run `python -m deploy.docs`"


def test_every_setting_says_what_it_is() -> None:
    rows = docs.settings_table().splitlines()[2:]
    assert len(rows) > 30
    assert [row for row in rows if row.endswith("|  |")] == []


def _blocks(text: str) -> list[list[str]]:
    """What blank lines divide, without what is between fences."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [block.splitlines() for block in re.split(r"\n\s*\n", prose) if block.strip()]


def _kind(line: str) -> str:
    return "heading" if re.match(r"#+ ", line) else "table" if line.startswith("|") else "text"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_heading_and_a_table_stand_by_themselves(document: Path) -> None:
    """Glued to what is before or after them they are read as a part of it."""
    blocks = [[line for line in block if not line.startswith("<!--")] for block in _blocks(document.read_text("utf-8"))]
    assert [block for block in blocks if len({_kind(line) for line in block}) > 1] == []
    assert [block for block in blocks if block and _kind(block[0]) == "heading" and len(block) > 1] == []


def test_contributing_lists_nothing_twice() -> None:
    for table in _blocks((docs.ROOT / "CONTRIBUTING.md").read_text("utf-8")):
        listed = [line.split("|")[1] for line in table if line.startswith("| `")]
        assert sorted(set(listed)) == sorted(listed)


def test_every_chapter_that_the_code_names_is_there() -> None:
    text = (docs.ROOT / "ARCHITECTURE.md").read_text("utf-8")
    chapters = set(re.findall(r"^#+ (.*)$", text, re.MULTILINE))
    for package in ("shared", "worker", "scheduler", "deploy"):
        for path in (docs.ROOT / package).rglob("*.py"):
            assert set(re.findall(r'ARCHITECTURE, "(.*?)"', path.read_text("utf-8"))) <= chapters, path


def test_every_target_that_a_document_names_is_there_and_runs_a_module_that_is() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))
    for document in DOCUMENTS:
        assert set(re.findall(r"(?:^ *|`)make ([a-z-]+)", document.read_text("utf-8"), re.MULTILINE)) <= targets
    for module in re.findall(r"python -m (tests[\w.]*)", MAKEFILE):
        assert importlib.util.find_spec(module) is not None, module
