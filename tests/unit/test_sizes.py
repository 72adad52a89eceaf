"""Modules stay small enough to be read at one go."""

import ast

from tests.support.stack import ROOT

MODULES = [path for root in ("shared", "worker", "scheduler", "deploy") for path in (ROOT / root).rglob("*.py")]


def test_no_module_has_more_than_300_lines() -> None:
    assert len(MODULES) > 200
    assert [str(path) for path in MODULES if len(path.read_text().splitlines()) > 300] == []


def test_no_function_has_more_than_60_lines() -> None:
    long = [
        f"{path.name}: {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > 60
    ]
    assert long == []
