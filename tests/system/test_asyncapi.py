"""AsyncAPI's own schema (@asyncapi/specs, Apache-2.0) has nothing against our document."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from shared import schemas

SPECS = Path("/opt/settlepipe-tests/node/node_modules/@asyncapi/specs/schemas")


def mistakes(document: Any) -> list[str]:
    path = SPECS / f"{document['asyncapi']}.json"
    if not path.exists():
        pytest.fail(f"{path} is missing: tests/system/install installs it", pytrace=False)
    return [one.message for one in Draft7Validator(json.loads(path.read_text())).iter_errors(document)]


def test_the_document_is_one() -> None:
    assert mistakes(schemas.asyncapi()) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("operations", "takeIntent", "action"), "take"),
        (("channels", "intake", "messages", "intent"), 1),
        (("components", "schemas", "intent", "type"), "thing"),
        (("info",), {}),
    ],
)
def test_a_mistake_in_it_would_be_found(place: tuple[str, ...], value: Any) -> None:
    document = copy.deepcopy(schemas.asyncapi())
    inner = document
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    assert mistakes(document) != []
