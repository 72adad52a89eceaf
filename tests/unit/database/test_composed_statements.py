"""Nothing but constants is ever put into a text of SQL: what comes from outside goes beside it, as a parameter.

bandit's B608, and ruff's S608 in the folders that say SQL, are off for that: they take every composed statement for an
injection. What a module composes when it is imported can hold nothing from outside; so what is looked at here is what
functions compose.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

_SQL = re.compile(
    r"\b(select\s.*\bfrom|delete\s+from|insert\s+into|update\s.*\bset|(create|alter|drop)\s+table|truncate|copy|analyze)\s",
    re.IGNORECASE | re.DOTALL,
)
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")
_COMPOSES = ("format", "replace", "join", "format_map")
Function = ast.FunctionDef | ast.AsyncFunctionDef
# Functions that put what they are given into a statement, and which parameters: those are given constants alone.
BUILDERS = {
    "every": ("table",),
    "move": ("here", "there"),
    "written": ("id", "type", "subject", "data", "rows", "payment"),
    "probed": ("probe",),
    "_copy": ("statement",),
    "_cell": ("text",),
    "_amount": ("minor", "digits"),
    "harmless_sql": ("text",),
}
# What is put in although it is no constant, and why it may be.
REASONED = {
    ("shared/database/migrations/env.py", "least"): "a version, from a migration's file name, or a column's name",
    ("shared/database/migrations/env.py", "most"): "a version, from a migration's file name",
    ("shared/reconciliation/store/compared.py", "_name(run.id)"): "a number, by its format",
    ("shared/reconciliation/store/compared.py", "judged"): "one of compare.py's constants",
}


def modules() -> list[Path]:
    return [path for root in ("shared", "worker", "scheduler", "deploy") for path in sorted(Path(root).rglob("*.py"))]


@cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


def _parameters() -> dict[str, list[str]]:
    defined = [node for path in modules() for node in ast.walk(_tree(path.read_text())) if isinstance(node, Function)]
    return {one.name: [each.arg for each in one.args.args] for one in defined if one.name in BUILDERS}


PARAMETERS = _parameters()


def put_into_sql(text: str) -> Iterator[tuple[ast.expr, Function]]:
    """What functions of this module put into texts of SQL, and which function."""
    for function in ast.walk(_tree(text)):
        if not isinstance(function, Function):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.expr) and (parts := list(_parts(node))) and _SQL.search(" ".join(_texts(node))):
                yield from ((one, function) for one in parts)


def given_to_builders(text: str) -> Iterator[tuple[ast.expr, Function]]:
    """What functions of this module give to builders."""
    for function in ast.walk(_tree(text)):
        if not isinstance(function, Function):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and (name := _called(node.func)) in BUILDERS:
                named = {keyword.arg: keyword.value for keyword in node.keywords}
                positions = zip(PARAMETERS[name], node.args, strict=False)
                yield from ((one, function) for of, one in (*positions, *named.items()) if of in BUILDERS[name])


def _called(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _texts(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def _parts(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.JoinedStr():
            yield from (part.value for part in node.values if isinstance(part, ast.FormattedValue))
        case ast.BinOp(op=ast.Add() | ast.Mod()):
            yield from (node.left, node.right)
        case ast.Call(func=ast.Attribute(attr=name)) if name in _COMPOSES:
            yield from (*node.args, *(keyword.value for keyword in node.keywords))


def constant(node: ast.expr | None, within: Function) -> bool:
    """Does it hold nothing but what stands in the source? Whatever a call gives of constants is one."""
    if isinstance(node, ast.Name):
        return bool(_CONSTANT.fullmatch(node.id)) or _bound_to_constants(node.id, within)
    held = _held(node)
    return held is not None and all(constant(one, within) for one in held)


def _held(node: ast.expr | None) -> list[ast.expr] | None:
    """All that an expression's value comes from; None where that can't be told."""
    match node:
        case ast.Constant():
            held: list[ast.expr] | None = []
        case ast.Attribute():
            held = [] if _CONSTANT.fullmatch(node.attr) else None
        case ast.JoinedStr():
            held = list(_parts(node))
        case ast.Tuple() | ast.List():
            held = node.elts
        case ast.BinOp():
            held = [node.left, node.right]
        case ast.IfExp():
            held = [node.body, node.orelse]
        case ast.Subscript():
            held = [node.value]
        case ast.Call(args=[_, *_]) | ast.Call(keywords=[_, *_]):
            of = [node.func.value] if isinstance(node.func, ast.Attribute) and node.func.attr in _COMPOSES else []
            held = [*of, *node.args, *(keyword.value for keyword in node.keywords)]
        case _:
            held = None
    return held


def _bound_to_constants(name: str, within: Function) -> bool:
    """Is all that this function binds to a name constant, or is it what a builder is given?"""
    arguments = within.args
    if name in {one.arg for one in (*arguments.args, *arguments.kwonlyargs)}:
        return name in BUILDERS.get(within.name, ())
    bound = [value for one in ast.walk(within) for target, value in _bindings(one) if name in _names(target)]
    return bool(bound) and all(constant(value, within) for value in bound)


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    match node:
        case ast.Assign():
            yield from ((target, node.value) for target in node.targets)
        case ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr():
            yield node.target, node.value
        case ast.For() | ast.AsyncFor() | ast.comprehension():
            yield node.target, node.iter
        case ast.withitem(optional_vars=ast.expr() as target):
            yield target, None


def _names(target: ast.expr) -> set[str]:
    return {one.id for one in ast.walk(target) if isinstance(one, ast.Name)}


def foreign(path: str, text: str) -> list[str]:
    put = [one for one, function in put_into_sql(text) if not constant(one, function)]
    given = [one for one, function in given_to_builders(text) if not constant(one, function)]
    return [ast.unparse(one) for one in (*put, *given) if (path, ast.unparse(one)) not in REASONED]


def test_what_functions_put_into_statements_is_constant() -> None:
    texts = {str(path): path.read_text() for path in modules()}
    assert sum(len(list(put_into_sql(text))) for text in texts.values()) > 30
    assert {path: found for path, text in texts.items() if (found := foreign(path, text))} == {}


def test_each_builder_is_there_and_each_reason_is_needed() -> None:
    assert PARAMETERS.keys() == BUILDERS.keys()
    for path, put in REASONED:
        assert put in [ast.unparse(one) for one, _ in put_into_sql(Path(path).read_text())]


@pytest.mark.parametrize(
    "body",
    [
        'execute(f"SELECT * FROM t WHERE a = {a}")',
        'execute("SELECT * FROM t WHERE a = " + a)',
        'execute("DELETE FROM t WHERE a = %s" % a)',
        'execute("SELECT * FROM {}".format(a))',
        'execute(f"UPDATE t SET a = {str(a)}")',
        'execute(f"SELECT {COLUMNS} FROM t WHERE a = {a.b!r}")',
        'execute("SELECT a FROM t WHERE " + " AND ".join(a))',
        'execute("SELECT a FROM t WHERE b = B".replace("B", a))',
        'b = a\n    execute(f"SELECT * FROM {b}")',
        'b = "t"\n    b = a\n    execute(f"SELECT * FROM {b}")',
        'for b in a:\n        execute(f"SELECT * FROM {b}")',
        'execute(f"SELECT * FROM {every(a)}")',
        "execute(every(table=a))",
        'execute(f"TRUNCATE {a}")',
    ],
)
def test_what_is_no_constant_would_be_found(body: str) -> None:
    assert foreign("shared/rows.py", f"def read(execute, a):\n    {body}\n") != []


@pytest.mark.parametrize(
    "body",
    [
        'execute(f"SELECT * FROM {TABLE} WHERE a = %s", (a,))',
        'execute(f"SELECT * FROM {every(FOLLOW_UPS)} WHERE a = %(a)s", {"a": a})',
        'for table in ("a", "b"):\n        execute(f"SELECT * FROM {table}")',
        'log(f"read {a}")',
    ],
)
def test_a_constant_is_none(body: str) -> None:
    assert foreign("shared/rows.py", f"def read(execute, log, a):\n    {body}\n") == []
