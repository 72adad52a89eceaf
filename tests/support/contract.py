"""Events, rows and intents are held against the schemas that `settlepipe schema` prints."""

from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from shared import schemas
from shared.domain.codes import Code


def closed(schema: Any) -> Any:
    """The same schema, in which no object may have a key that it does not name: so that none is told of nowhere."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(value) for name, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        return {"additionalProperties": False} | inner
    return inner


EVENT = Draft202012Validator(closed(schemas.event()))
EXPORT = Draft202012Validator(closed(schemas.export()))
INTENT = Draft202012Validator(schemas.intent())


def mistakes(validator: Any, document: Any) -> list[str]:
    """What the schema says against it; empty: nothing."""
    return [f"{'/'.join(map(str, one.absolute_path))}: {one.message}" for one in validator.iter_errors(document)]


def assert_kept(events: Iterable[Mapping[str, Any]]) -> None:
    """Assert that each event is as its schema says, and has a code that is known."""
    for event in events:
        assert mistakes(EVENT, event) == [], event
        assert event["data"].get("code") in (None, *Code), event
        assert event["dataschema"] == f"urn:settlepipe:schema:event:1#/$defs/{event['type'].split('.')[1]}"
