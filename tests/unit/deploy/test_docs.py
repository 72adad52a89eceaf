"""The generated parts of the documents are what the code says now, and what a document names is there."""

import importlib.util
import re
from pathlib import Path

import pytest

from deploy import docs

DECISIONS = sorted((docs.ROOT / "docs" / "adr").glob("[0-9]*.md"))
PAGES = sorted((docs.ROOT / "docs").rglob("*.md"))
DOCUMENTS = [
    docs.ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
] + PAGES
PACKAGES = ("shared", "worker", "scheduler", "deploy")
MAKEFILE = (docs.ROOT / "Makefile").read_text("utf-8")
ARCHITECTURE = docs.ROOT / "ARCHITECTURE.md"
CHAPTERS = sorted(page for page in (docs.ROOT / "docs").glob("*.md") if page.stem not in ("README", "glossary"))


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


def _name(document: Path) -> str:
    return document.relative_to(docs.ROOT).as_posix()


def _kind(line: str) -> str:
    return "heading" if re.match(r"#+ ", line) else "table" if line.startswith("|") else "text"


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_a_heading_and_a_table_stand_by_themselves(document: Path) -> None:
    """Glued to what is before or after them they are read as a part of it."""
    blocks = [[line for line in block if not line.startswith("<!--")] for block in _blocks(document.read_text("utf-8"))]
    assert [block for block in blocks if len({_kind(line) for line in block}) > 1] == []
    assert [block for block in blocks if block and _kind(block[0]) == "heading" and len(block) > 1] == []


def test_contributing_lists_nothing_twice() -> None:
    for table in _blocks((docs.ROOT / "CONTRIBUTING.md").read_text("utf-8")):
        listed = [line.split("|")[1] for line in table if line.startswith("| `")]
        assert sorted(set(listed)) == sorted(listed)


def _headings(document: Path) -> set[str]:
    prose = re.sub(r"^```.*?^```$", "", document.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return set(re.findall(r"^#+ (.*)$", prose, re.MULTILINE))


def _anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_chapter_that_the_code_or_a_page_names_is_there() -> None:
    code = [path for package in PACKAGES for path in (docs.ROOT / package).rglob("*.py")]
    for path in (*code, *DOCUMENTS):
        text = path.read_text("utf-8")
        pages = {name: docs.ROOT / name for name in re.findall(r"docs/[\w/-]+\.md", text)}
        assert [name for name, page in pages.items() if not page.exists()] == [], path
        for name, heading in re.findall(r'(docs/[\w/-]+\.md|ARCHITECTURE),\s"(.*?)"', text):
            assert heading in _headings(pages.get(name, ARCHITECTURE)), path


def test_the_architecture_is_one_page() -> None:
    assert len(ARCHITECTURE.read_text("utf-8").splitlines()) <= 140


@pytest.mark.parametrize("chapter", CHAPTERS, ids=_name)
def test_a_chapter_begins_with_where_it_lives_and_is_in_both_tables_of_contents(chapter: Path) -> None:
    first = chapter.read_text("utf-8").split("\n\n")[1]
    assert re.search(r"`(?:shared|worker|scheduler|deploy|tests)/[^`\s]*`", first)
    for contents in (ARCHITECTURE, chapter.parent / "README.md"):
        link = chapter.relative_to(contents.parent).as_posix()
        rows = re.findall(
            rf"^\| \[{chapter.stem}\]\({re.escape(link)}\) \| .+ \|$", contents.read_text("utf-8"), re.MULTILINE
        )
        assert len(rows) == 1, contents


def test_what_the_table_of_places_names_stands_in_the_file_that_it_names() -> None:
    table = ARCHITECTURE.read_text("utf-8").partition("## Where is …\n")[2]
    rows = re.findall(r"^\| .+ \| `([^`]+)` \| (`.+`) \|$", table, re.MULTILINE)
    assert len(rows) == table.count("\n| ") - 1  # without the heading
    for path, names in rows:
        text = (docs.ROOT / path).read_text("utf-8")
        assert [name for name in re.findall(r"`(\w+)`", names) if not _defined(name, text)] == [], path


def _defined(name: str, text: str) -> bool:
    return re.search(rf"^ *(?:def|class) {name}\b|^{name}(?:: .+)? = ", text, re.MULTILINE) is not None


def test_every_target_that_a_document_names_is_there_and_runs_a_module_that_is() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))
    for document in DOCUMENTS:
        assert set(re.findall(r"(?:^ *|`)make ([a-z-]+)", document.read_text("utf-8"), re.MULTILINE)) <= targets
    for module in re.findall(r"python -m (tests[\w.]*)", MAKEFILE):
        assert importlib.util.find_spec(module) is not None, module


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.name != "CONTRIBUTING.md"], ids=_name)
def test_every_path_and_link_of_a_document_leads_somewhere(document: Path) -> None:
    """But for CONTRIBUTING, which tells of a provider that isn't there."""
    text = document.read_text("utf-8")
    paths = re.findall(r"`((?:shared|worker|scheduler|deploy|tests|docs)/[^`\s]*)`", text)
    assert [path for path in paths if not (docs.ROOT / path).exists()] == []
    links = re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text)
    assert [link for link, _ in links if not (document.parent / link).exists()] == []
    pages = [(document.parent / link if link else document, anchor) for link, anchor in links if anchor]
    assert [(page, anchor) for page, anchor in pages if anchor not in set(map(_anchor, _headings(page)))] == []


def test_the_glossary_has_each_word_once_and_says_where_it_is_defined() -> None:
    text = (docs.ROOT / "docs" / "glossary.md").read_text("utf-8")
    entries = re.findall(r"^- \*\*(.+?)\*\*(?: \(`([^`]+)`\))?: ", text, re.MULTILINE)
    words = [word for word, _ in entries]
    assert len(words) == text.count("\n- ")
    assert sorted(set(words)) == sorted(words)
    files = [path for package in PACKAGES for path in (docs.ROOT / package).rglob("*")]
    modules = {path.stem for path in files if path.suffix == ".py" or path.is_dir()}
    assert {module for _, module in entries if module and "/" not in module} - modules == set()


@pytest.mark.parametrize("page", DECISIONS, ids=_name)
def test_a_decision_has_its_number_the_five_headings_and_a_row_in_the_list(page: Path) -> None:
    text = page.read_text("utf-8")
    number = int(page.name[:4])
    assert text.startswith(f"# {number}. ")
    assert re.findall(r"^##+ (.*)$", text, re.MULTILINE) == [
        "Status",
        "Context",
        "Decision",
        "Consequences",
        "What else was considered",
    ]
    assert len(text.splitlines()) <= 60
    listed = (page.parent / "README.md").read_text("utf-8")
    row = rf"^\| \[{number}\. [^]]+\]\({re.escape(page.name)}\) \| .+\. \|$"
    assert len(re.findall(row, listed, re.MULTILINE)) == 1


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    assert len(DECISIONS) >= 10


@pytest.mark.parametrize(
    "page", sorted((docs.ROOT / "shared/providers").glob("*/README.md")), ids=lambda p: p.parent.name
)
def test_the_modules_that_a_providers_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`(\w+\.py)`", page.read_text("utf-8"))
    assert named
    assert [name for name in named if not (page.parent / name).exists()] == []
