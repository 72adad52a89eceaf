"""Is everything that one JSON Schema allows allowed by another one, too? For the keywords that our schemas have.

Cautious: what it can't see to be so it reports, also a keyword that it does not know.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

Schema = Mapping[str, Any]

# Say nothing about what is allowed.
_NOTES = {"$schema", "$id", "$defs", "title", "description", "default", "examples", "components"}
_AT_LEAST = ("minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties")
_AT_MOST = ("maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties")
_KNOWN = {*_NOTES, *_AT_LEAST, *_AT_MOST, "type", "enum", "const", "pattern", "required", "properties", "items"} | {
    *("additionalProperties", "anyOf", "oneOf", "allOf", "$ref")  # and in allOf: if, then
}


@dataclass(frozen=True)
class Within:
    """A schema, and the document that its references lead into."""

    schema: Any
    document: Mapping[str, Any]

    def of(self, schema: Any) -> "Within":
        return Within(schema, self.document)

    @property
    def plain(self) -> Schema:
        """Without a reference at its top: what that leads to, and what stands beside it."""
        found: Schema = {} if self.schema is True else {"enum": []} if self.schema is False else self.schema
        if "$ref" not in found:
            return found
        target: Any = self.document
        for part in found["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return {**self.of(target).plain, **{key: value for key, value in found.items() if key != "$ref"}}


def wider(inner: Within, outer: Within, place: str = "") -> Iterator[str]:
    """What `inner` allows and `outer` does not, as far as can be seen: a sentence for each place. None: nothing."""
    mine, theirs = inner.plain, outer.plain
    yield from (f"{place or '/'}: the keyword {key} is not understood" for key in theirs.keys() - _KNOWN)
    branches = mine.get("anyOf") or mine.get("oneOf")
    if branches:
        rest = {key: value for key, value in mine.items() if key not in ("anyOf", "oneOf")}
        for branch in branches:
            yield from wider(inner.of({**rest, **inner.of(branch).plain}), outer, place)
        return
    values = _values(mine)
    if values is not None:
        places = {name: outer.document[name] for name in ("$defs", "components") if name in outer.document}
        asked = Draft202012Validator({**_without_notes(theirs), **places})
        for value in values:
            if not asked.is_valid(value):
                yield f"{place or '/'}: {value!r} is allowed"
        return
    choices = theirs.get("anyOf") or theirs.get("oneOf")
    if choices:
        tried = [list(wider(inner, outer.of(choice), place)) for choice in choices]
        yield from min(tried, key=len)
    yield from _of_value(mine, theirs, place or "/")
    yield from _of_object(inner, outer, place)
    if "items" in theirs:
        yield from wider(inner.of(mine.get("items", True)), outer.of(theirs["items"]), f"{place}/*")
    yield from _of_rules(inner, outer, place)


def _values(schema: Schema) -> Sequence[Any] | None:
    """All that it allows, where that can be listed."""
    if "const" in schema:
        return [schema["const"]]
    return [None] if schema.get("type") == "null" else schema.get("enum")


def _without_notes(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key not in _NOTES}


def _of_value(mine: Schema, theirs: Schema, place: str) -> Iterator[str]:
    if "type" in theirs:
        wanted = _types(theirs) | ({"integer"} if "number" in _types(theirs) else set())
        more = _types(mine) - wanted if "type" in mine else {"anything"}
        if more:
            yield f"{place}: {' or '.join(sorted(more))} is allowed, not only {' or '.join(sorted(_types(theirs)))}"
            return
    for name in ("enum", "const"):
        if name in theirs:
            yield f"{place}: other values than {theirs[name]!r} are allowed"
    if "pattern" in theirs and mine.get("pattern") != theirs["pattern"]:
        yield f"{place}: other texts than those of the pattern {theirs['pattern']} are allowed"
    for name in _AT_LEAST:
        if name in theirs and mine.get(name, float("-inf")) < theirs[name]:
            yield f"{place}: {name} {theirs[name]} is not kept"
    for name in _AT_MOST:
        if name in theirs and mine.get(name, float("inf")) > theirs[name]:
            yield f"{place}: {name} {theirs[name]} is not kept"


def _types(schema: Schema) -> set[str]:
    found = schema["type"]
    return {found} if isinstance(found, str) else set(found)


def _of_object(inner: Within, outer: Within, place: str) -> Iterator[str]:
    mine, theirs = inner.plain, outer.plain
    properties: Schema = mine.get("properties", {})
    wanted: Schema = theirs.get("properties", {})
    others, allowed = mine.get("additionalProperties", True), theirs.get("additionalProperties", True)
    for name in theirs.get("required", ()):
        if name not in mine.get("required", ()):
            yield f"{place}/{name}: it may be missing"
    for name, schema in wanted.items():
        if name in properties or others is not False:
            yield from wider(inner.of(properties.get(name, others)), outer.of(schema), f"{place}/{name}")
    for name in properties.keys() - wanted.keys():
        if allowed is False:
            yield f"{place}/{name}: it is allowed"
        else:
            yield from wider(inner.of(properties[name]), outer.of(allowed), f"{place}/{name}")
    if allowed is False and others is not False:
        yield f"{place or '/'}: any other key is allowed"
    elif others is not False and allowed is not True:
        yield from wider(inner.of(others), outer.of(allowed), f"{place}/…")


def _of_rules(inner: Within, outer: Within, place: str) -> Iterator[str]:
    """Each rule in the outer one's `allOf` (`if` … `then`, or a plain schema) holds for the inner one."""
    mine: Sequence[Schema] = inner.plain.get("allOf", ())
    for rule in outer.plain.get("allOf", ()):
        if "if" not in rule:
            tried = [list(wider(inner.of(one), outer.of(rule), place)) for one in (inner.schema, *mine)]
            yield from min(tried, key=len)
            continue
        yield from (f"{place or '/'}: {key} beside an if is not understood" for key in rule.keys() - {"if", "then"})
        if _never(rule["if"], inner):
            continue
        base = {key: value for key, value in inner.plain.items() if key != "allOf"}
        thens: list[Schema] = [one["then"] for one in mine if one.get("if") == rule["if"]] or [{}]
        where = f"{place}[{_said(rule['if'])}]"
        tried = [list(wider(inner.of(_both(base, then)), outer.of(rule["then"]), where)) for then in thens]
        yield from min(tried, key=len)


def _both(base: Schema, then: Schema) -> Schema:
    """A schema with what a rule adds."""
    properties = {**base.get("properties", {}), **then.get("properties", {})}
    required = [*base.get("required", ()), *then.get("required", ())]
    return {**base, **then, "properties": properties, "required": required}


def _never(condition: Schema, inner: Within) -> bool:
    """Can't it come about, because a value that it asks for is none of those allowed?"""
    properties: Schema = inner.plain.get("properties", {})
    for name, wanted in condition.get("properties", {}).items():
        values = _values(inner.of(properties.get(name, True)).plain)
        if "const" in wanted and values is not None and wanted["const"] not in values:
            return True
    return False


def _said(condition: Schema) -> str:
    return ", ".join(
        f"{name} {one.get('const', one.get('pattern'))}" for name, one in condition.get("properties", {}).items()
    )
