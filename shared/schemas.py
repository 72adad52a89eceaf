"""JSON Schema (2020-12) of what upstreams write and read, made from the models that read it and the rows that are told.

Objects are open: keys are only added, and a consumer ignores those that it doesn't know. A key that came later is not
required, since what was written before it may be replayed.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from shared.domain.intent import Wire
from shared.domain.payment import Operation, State
from shared.events.types import EventType
from shared.providers.registry import REGISTRATIONS

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{model}"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z$"

Schema = dict[str, Any]


class Row(BaseModel):
    """A payment as upstreams, accountants and programs see it: a row of `export`, and the data of its events.

    code and hold_reason: words, of which new ones come (docs/codes.md).
    """

    source: str
    intent_id: str
    provider: str
    operation: Operation
    amount: str = Field(pattern=r"^[0-9]+(\.[0-9]+)?$", description="with all the currency's places")
    currency: str = Field(pattern="^[A-Z]{3}$")
    state: State
    hold_reason: str | None
    attempts: int = Field(ge=0)
    sent_reference: str
    provider_reference: str | None
    detail: str | None = Field(description="for people; it may change")
    request_sha256: str | None = Field(pattern="^[0-9a-f]{64}$")
    refund_of: str | None
    paid_at: str = Field(pattern=_TIME)
    created_at: str = Field(pattern=_TIME)
    finished_at: str | None = Field(pattern=_TIME)
    code: str | None = Field(None, pattern="^[a-z_]+$")
    target: dict[str, Any] = Field({}, description="as it was accepted; a refund's is its settle's, once that is found")
    metadata: dict[str, Any] | None = None


class FollowUp(BaseModel):
    """A receipt or a text message of a payment."""

    source: str
    intent_id: str
    state: Literal["issued", "sent", "refused", "parked", "delivered", "undelivered"]
    detail: str | None
    answer: dict[str, Any] | None
    code: str | None = Field(None, pattern="^[a-z_]+$")


class Account(BaseModel):
    """A biller service got an account that nobody has confirmed."""

    provider: str
    biller_service: str
    khut_type: str | None
    change: Literal["added", "changed"]
    at: str = Field(pattern=_TIME)


class Quarantined(BaseModel):
    """An entry that could not be accepted. conflict_of: the payment that its id stands for, `source/intent_id`."""

    quarantine_id: int
    reason: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    stream: str
    entry_id: str
    code: str | None = Field(None, pattern="^[a-z_]+$")
    conflict_of: str | None = None


class Summary(BaseModel):
    """A night's sums: those of the report's summary.json."""

    provider: str
    title: str
    day: str = Field(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
    zone: str
    period_from: str
    period_to: str
    complete: bool
    missing: str | None
    unread: int
    unreadable: int
    lines: int
    verdict: str
    entries: dict[str, int]
    new: int
    open: int
    sums: list[dict[str, Any]]
    carried: list[dict[str, Any]] = []
    open_by_age: list[dict[str, Any]]


class Recovered(BaseModel):
    """A database that had lost time goes on: send everything since then again."""

    epoch: int
    since: str = Field(pattern=_TIME)
    until: str = Field(pattern=_TIME)


class Envelope(BaseModel):
    """A CloudEvent 1.0. type decides what `data` is; new types come.

    traceparent: as it came with the intent.
    """

    specversion: Literal["1.0"]
    id: str
    source: Literal["/settlepipe"]
    type: str
    subject: str
    time: str = Field(pattern=_TIME)
    datacontenttype: Literal["application/json"]
    dataschema: str | None = None
    traceparent: str | None = Field(None, pattern="^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")
    data: dict[str, Any]


# By what stands behind `settlepipe.` in the type; it is also the fragment in an event's `dataschema`.
DATA: Mapping[str, type[BaseModel]] = {
    "payment": Row,
    "receipt": FollowUp,
    "sms": FollowUp,
    "account": Account,
    "intake": Quarantined,
    "reconciliation": Summary,
    "store": Recovered,
}


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
    schema["properties"]["type"]["examples"] = [str(one) for one in EventType]
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
