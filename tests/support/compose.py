"""deploy/compose, read as Compose reads it: files on top of each other, variables put in, services in their order."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.stack import ROOT

FOLDER = ROOT / "deploy" / "compose"
EXTERNAL, BUNDLED = FOLDER / "compose.yaml", FOLDER / "bundled.yaml"
EXAMPLE = FOLDER / "settlepipe.env.example"
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?:(:-|:\?)([^}]*))?\})")
Service = Mapping[str, Any]


def services(*files: Path, given: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The services of these files, a later one's words on top of an earlier one's. given: what stands in .env. Raises
    KeyError for a variable that has to be there and is not."""
    found: dict[str, dict[str, Any]] = {}
    for file in files:
        for name, service in _interpolated(yaml.safe_load(file.read_text("utf-8")), given)["services"].items():
            found[name] = _merged(found.get(name, {}), service)
    return found


def variables(text: str) -> dict[str, str]:
    """What a file of settings holds."""
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def in_order(found: Mapping[str, Service]) -> Iterator[str]:
    """The services' names, each after those that it depends on. Raises RecursionError for a circle."""
    done: list[str] = []

    def add(name: str) -> None:
        for before in found[name].get("depends_on", {}):
            add(before)
        if name not in done:
            done.append(name)

    for name in found:
        add(name)
    yield from done


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {name for name in below if isinstance(below[name], dict) and isinstance(above.get(name), dict)}
    return {**below, **above, **{name: _merged(below[name], above[name]) for name in both}}


def _interpolated(value: Any, given: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _interpolated(one, given) for name, one in value.items()}
    if isinstance(value, list):
        return [_interpolated(one, given) for one in value]
    return _VARIABLE.sub(lambda match: _variable(match, given), value) if isinstance(value, str) else value


def _variable(match: "re.Match[str]", given: Mapping[str, str]) -> str:
    dollar, name, how, other = match.groups()
    if dollar:
        return "$"
    return given.get(name) or (other if how == ":-" else given[name])
