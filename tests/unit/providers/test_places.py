"""A provider is one folder, its settings and a line in the registry: the rest of the product does not know its name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from shared.providers.registry import REGISTRATIONS

ROOT = Path(__file__).resolve().parents[3]
# Where every provider may be named, beside its own folders and the demo, which shows some of them.
PLACES = {
    "shared/providers/registry.py",
    "shared/settings/__init__.py",
    "shared/settings/sections.py",
    "deploy/sandbox/server.py",
    "deploy/local/processes.py",  # what the sandbox takes from it
}
# What belongs to one provider alone, outside its folder. A new line here wants a reason.
SPECIAL = {
    "ubill": {
        "deploy/local/doctor.py",  # text messages and their callback
        "deploy/local/run.py",  # the callback's key
        "scheduler/jobs.py",  # its SMS credit
        "worker/callback.py",
        "worker/web/__main__.py",
        "worker/web/callback.py",
        "worker/web/listening.py",
    },
    "mtn": {"deploy/cli/trigger.py"},  # at whose sandbox a payment is brought to an end on purpose
}


def words(path: Path) -> Iterator[str]:
    """Names and texts in the code; comments and docstrings may name whom they like."""
    tree = ast.parse(path.read_text("utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in prose:
            yield node.value if isinstance(node.value, str) else node.value.decode("utf-8", "replace")
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.alias):
            yield node.name


def named_in(path: Path, provider: str) -> bool:
    pattern = re.compile(rf"(?<![a-z]){provider}", re.IGNORECASE)
    return any(pattern.search(word) for word in words(path))


def test_no_code_outside_its_places_names_a_provider() -> None:
    sources = {
        path.relative_to(ROOT).as_posix(): path
        for package in ("shared", "worker", "scheduler", "deploy")
        for path in (ROOT / package).rglob("*.py")
    }
    for provider in REGISTRATIONS:
        own = (
            "deploy/cli/demo/",
            f"shared/providers/{provider}/",
            f"deploy/sandbox/{provider}/",
            f"deploy/sandbox/{provider}.py",
        )
        found = {name for name, path in sources.items() if not name.startswith(own) and named_in(path, provider)}
        assert found - PLACES == SPECIAL.get(provider, set()), provider
