"""AsyncAPI 3 of both streams: what an upstream sends on the one and reads on the other."""

from typing import Any

from shared.domain.broker_keys import EVENTS, INTAKE
from shared.events.types import EventType
from shared.messaging.events_stream import EVENT_FIELD
from shared.messaging.intake_entry import INTAKE_FIELD, TRACE_FIELD
from shared.schemas.documents import components, event, intent
from shared.schemas.models import DATA

VERSION = "3.0.0"
API_VERSION = "1"
_TRACE = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
_SCHEMAS = "#/components/schemas/"


def asyncapi(prefix: str = "") -> dict[str, Any]:
    """The document, from the side of settlepipe: it receives intents and sends events. prefix: of the broker's keys."""
    types = {str(one): _message(str(one)) for one in EventType}
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "settlepipe",
            "version": API_VERSION,
            "description": "Payment intents on one stream of Redis or Valkey, what became of them on another.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "intake": {
                "address": f"{prefix}{INTAKE}",
                "title": "Intents",
                "description": f"XADD of an entry with the field `{INTAKE_FIELD.decode()}`, which holds the JSON, and,"
                f" if you trace, `{TRACE_FIELD.decode()}`. Send an intent again until its `accepted` is seen: (source,"
                " intent_id) makes that safe. A stream for each upstream may be set up beside it.",
                "messages": {"intent": {"$ref": "#/components/messages/intent"}},
                "bindings": {"redis": {}},
            },
            "events": {
                "address": f"{prefix}{EVENTS}",
                "title": "Events",
                "description": f"Entries with the field `{EVENT_FIELD}`, a CloudEvent 1.0 as JSON. At least once, in"
                " order for each payment; `id` is the same when one is told again. New types come: ignore those that"
                " you don't know.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in types},
                "bindings": {"redis": {}},
            },
        },
        "operations": {
            "takeIntent": {
                "action": "receive",
                "channel": {"$ref": "#/channels/intake"},
                "summary": "An intent becomes a payment, once.",
            },
            "tellEvent": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "summary": "Every step of a payment is told.",
            },
        },
        "components": {
            "messages": {"intent": _INTENT} | types,
            "schemas": components("intent", intent()) | components("event", event()),
        },
    }


_INTENT = {
    "name": "intent",
    "title": "An intent",
    "contentType": "application/json",
    "payload": {"$ref": f"{_SCHEMAS}intent"},
    "headers": {
        "type": "object",
        "description": "Fields of the entry beside the intent.",
        "properties": {"traceparent": {"type": "string", "pattern": _TRACE}},
        "additionalProperties": False,
    },
}


def _message(name: str) -> dict[str, Any]:
    kind = name.split(".")[1]
    return {
        "name": name,
        "title": (DATA[kind].__doc__ or name).partition("\n")[0],
        "summary": f"The CloudEvent `{name}`.",
        "contentType": "application/cloudevents+json",
        "payload": {
            "allOf": [{"$ref": f"{_SCHEMAS}event"}],
            "properties": {"type": {"const": name}, "data": {"$ref": f"{_SCHEMAS}event_{kind}"}},
        },
    }
