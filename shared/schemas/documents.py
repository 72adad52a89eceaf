"""JSON Schema (2020-12) of an intent, an event and a row, made from the models that read intents and tell rows."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

from shared.domain.intent import Wire
from shared.providers.registry import REGISTRATIONS
from shared.schemas.models import DATA, Envelope, Row

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{model}"

Schema = dict[str, Any]


def export() -> Schema:
    """A row of `settlepipe export`, a line of `settlepipe payments --json`."""
    return _named("export", "A payment's row", _plain(Row))


def event() -> Schema:
    """An event on the stream; what its data is follows from its type."""
    schema, defs = _plain(Envelope), {}
    for name, model in DATA.items():
        defs[name] = _plain(model)
        defs |= defs[name].pop("$defs", {})
    schema["allOf"] = [_where({"type": {"pattern": rf"^settlepipe\.{name}\."}}, _data(name)) for name in DATA]
    return _named("event", "An event", schema | {"$defs": schema.get("$defs", {}) | defs})


def intent() -> Schema:
    """An intent, with the target of each provider. What only the whole tells (a currency's places, an id that was used
    before) is not in it: what it allows may still be quarantined or refused, what it forbids is."""
    schema = _plain(Wire)
    defs: Schema = schema.pop("$defs", {})
    settle, refund = {"operation": {"const": "settle"}}, {"operation": {"const": "refund"}}
    rules = [
        _where(settle, {"required": ["target"], "properties": {"target": {"type": "object"}, "refund_of": _NOTHING}}),
        _where(refund, {"required": ["refund_of"], "properties": {"refund_of": _SOMETHING, "target": _NOTHING}}),
    ]
    for name, registration in REGISTRATIONS.items():
        target = _plain(registration.target)
        inner = target.pop("$defs", {})
        defs |= {f"{name}_{key}": _renamed(part, name) for key, part in inner.items()}
        defs[f"{name}_target"] = _renamed(target, name)
        named = settle | {"provider": {"const": name}}
        rules.append(_where(named, {"properties": {"target": {"$ref": f"#/$defs/{name}_target"}}}))
    schema["properties"]["provider"] = {"enum": sorted(REGISTRATIONS)}
    return _named("intent", "An intent", schema | {"allOf": rules, "$defs": defs})


def components(name: str, schema: Schema) -> dict[str, Schema]:
    """The schema, called `name`, and what it refers to, as the components of an OpenAPI or AsyncAPI document have them:
    flat, each named after the schema that it is of."""
    document = {key: value for key, value in schema.items() if not key.startswith("$")}
    parts = {name: document} | {f"{name}_{key.lstrip('_')}": part for key, part in schema.get("$defs", {}).items()}
    return {key: _placed(part, name) for key, part in parts.items()}


def _placed(part: Any, name: str) -> Any:
    if isinstance(part, dict):
        return {
            key: f"#/components/schemas/{name}_{value.rpartition('/')[2].lstrip('_')}"
            if key == "$ref"
            else _placed(value, name)
            for key, value in part.items()
        }
    return [_placed(one, name) for one in part] if isinstance(part, list) else part


_NOTHING: Mapping[str, Any] = {"type": "null"}
_SOMETHING: Mapping[str, Any] = {"type": "string"}


def _named(name: str, title: str, schema: Schema) -> Schema:
    return {"$schema": DRAFT, "$id": f"urn:settlepipe:schema:{name}:1", **schema, "title": title}


def _plain(model: type[BaseModel]) -> Schema:
    """Without the titles that pydantic makes of the fields' names."""
    schema: Schema = TypeAdapter(model).json_schema(by_alias=True, ref_template=_REF)
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("title", None)
        for field in part.get("properties", {}).values():
            field.pop("title", None)
    portable: Schema = _portable(schema)
    return portable


def _portable(part: Any) -> Any:
    """Without the patterns that not every language's regular expressions have: by classes of Unicode's."""
    if isinstance(part, dict):
        return {key: _portable(value) for key, value in part.items() if key != "pattern" or "\\p" not in str(value)}
    return [_portable(one) for one in part] if isinstance(part, list) else part


def _where(properties: Mapping[str, Any], then: Mapping[str, Any]) -> Schema:
    return {"if": {"properties": properties, "required": list(properties)}, "then": then}


def _data(name: str) -> Schema:
    return {"properties": {"data": {"$ref": f"#/$defs/{name}"}}}


def _renamed(part: Any, provider: str) -> Any:
    """The same with each reference naming the provider's own definition."""
    if isinstance(part, dict):
        return {
            key: f"#/$defs/{provider}_{value.rpartition('/')[2]}" if key == "$ref" else _renamed(value, provider)
            for key, value in part.items()
        }
    return [_renamed(one, provider) for one in part] if isinstance(part, list) else part
