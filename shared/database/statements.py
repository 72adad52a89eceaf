"""Statements in files of their own, where an editor, a linter and EXPLAIN can read them."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*--.*\n?", re.MULTILINE)


def statements(module: str) -> Mapping[str, str]:
    """The named statements of the .sql file beside a module (its `__file__`): each begins with `-- name: …`.

    Lines that are a comment are left out: what a comment says is no part of a statement, a percent sign in it neither.
    Raises FileNotFoundError; ValueError for a name that stands twice, or text before the first one.
    """
    before, *parts = _NAME.split(Path(module).with_suffix(".sql").read_text("utf-8"))
    names = parts[::2]
    if _COMMENT.sub("", before).strip() or len(set(names)) != len(names):
        raise ValueError(f"{module}: a statement without a name, or a name that stands twice")
    return MappingProxyType(
        {name: _COMMENT.sub("", text).strip() for name, text in zip(names, parts[1::2], strict=True)}
    )
