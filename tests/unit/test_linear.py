"""Whatever reads foreign text takes time in proportion to its length: one odd intent must not stop the others."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import deploy.cli
import shared
import worker
from shared.domain.cards import holds_card_data, is_card_key, is_redacted, names_card_data, redacted
from shared.domain.intent import MAX_INTENT_BYTES, BadIntent, parse_intent
from shared.providers.registry import REGISTRATIONS
from shared.telemetry.masking import mask_event, mask_text
from shared.telemetry.sensitive import is_sensitive, mask_patterns
from tests.support.quick import quick
from tests.support.slow_texts import attacks, grows_faster_than_linear

FUNCTIONS = ("fullmatch", "match", "search", "sub", "subn", "split", "findall", "finditer")
TARGETS = {name: registration.target for name, registration in REGISTRATIONS.items()}


def _modules() -> Iterator[ModuleType]:
    for package in (shared, worker, deploy.cli):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            # importing a task's module needs a broker; it holds no expression,
            if ".migrations" not in found.name and found.name not in ("worker.app", "worker.monitor", "worker.tasks"):
                yield importlib.import_module(found.name)


def _patterns() -> dict[str, "re.Pattern[Any]"]:
    """Every regular expression of the modules: kept in a variable, a table, or written where it is used."""
    found: dict[str, re.Pattern[Any]] = {}
    for module in _modules():
        for name, value in vars(module).items():
            for place, one in (value if isinstance(value, dict) else {"": value}).items():
                if isinstance(one, re.Pattern):
                    found[f"{module.__name__}.{name}{place}"] = one
        assert module.__file__ is not None
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FUNCTIONS:
                form = node.args[0] if node.args else None
                if ast.unparse(node.func.value) == "re" and isinstance(form, ast.Constant):
                    found[f"{module.__name__}:{node.lineno}"] = re.compile(form.value)
    return found


PATTERNS = _patterns()


def test_the_expressions_are_found() -> None:
    modules = {name.rpartition(".")[0] for name in PATTERNS}
    assert {
        "shared.domain.cards",
        "shared.domain.intent",
        "shared.telemetry.sensitive",
        "worker.web.callback",
    } <= modules
    assert any(":" in name for name in PATTERNS), "those that are written where they are used as well"
    assert len(PATTERNS) > 40


@pytest.mark.parametrize("form", [r"\\+u", "a*b", r"://\S*@"])
def test_a_quadratic_expression_would_be_found(form: str) -> None:
    pattern = re.compile(form)
    assert any(grows_faster_than_linear(pattern.search, *attack) for attack in _few(attacks(pattern)))


def _few(found: Iterator[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    for before, repeated, behind in found:
        if len(repeated) == 1 or "/" in repeated:
            yield before, repeated, behind


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_every_expression_is_linear(name: str) -> None:
    pattern = PATTERNS[name]
    as_bytes = isinstance(pattern.pattern, bytes)

    def search(text: str) -> None:
        given: Any = text.encode("latin-1", "replace") if as_bytes else text
        pattern.sub(given[:0], given)  # over the whole of the text, as often as it is found
        pattern.match(given)
        pattern.fullmatch(given)

    slow = next((attack for attack in attacks(pattern) if grows_faster_than_linear(search, *attack)), None)
    assert slow is None


def _read(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    for whole in (
        raw,
        b'{"metadata": {"cvv": "' + raw + b'"}}',
        b'{"intent_id": "a", "metadata": {"a": "' + raw + b'"}}',
    ):
        try:
            parse_intent(whole, TARGETS)
        except BadIntent:
            is_redacted(redacted(whole))


READERS: dict[str, Callable[[str], object]] = {
    "an intent": _read,
    "a key": lambda text: (is_card_key(text), holds_card_data({text: 1}), is_sensitive(text)),
    "card data": lambda text: names_card_data(text.encode("utf-8", "surrogatepass")),
    "a log's text": lambda text: mask_patterns(text, identifier=False),
    "a log's value": mask_text,
    "a log event": lambda text: mask_event(None, "info", {"event": "x", "detail": [text], text: {"a": text}}),
}
ODD = [
    *"\\\"'{}[](),:=@/. -_0a\0\n\u0301\u200b\ufdfa\ud800", "\u0301\u0323", "\\u", "\\u005c", "\\\\u0063", "c_", "cv",
    "card", "://", "://a@", "Failing row contains (", "eyJ", "-----BEGIN A-----", "bearer ", "basic ", "password=\\",
    "password='", "a@b.", "+1 ", "4000 ", "[[", '{"a":', '"a":1,', "key: ", "\u00e7", "e\u0301", "Secret", "1,",
]  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_of_foreign_text_is_linear(reader: str) -> None:
    attacks = [
        (before, odd, behind) for odd in ODD for before in ("", "password=" + "\\" * 900) for behind in ("", "!")
    ]
    slow = [attack for attack in attacks if grows_faster_than_linear(READERS[reader], *attack)]
    assert slow == []


@pytest.mark.parametrize("odd", ODD)
def test_the_largest_intent_there_may_be_is_read_at_once(odd: str) -> None:
    """The whole of what can be done with one, whatever is in it."""
    with quick(2):
        _read(odd * ((MAX_INTENT_BYTES - 100) // len(odd.encode("utf-8", "surrogatepass"))))
