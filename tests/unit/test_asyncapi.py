"""The AsyncAPI and OpenAPI documents: every reference leads somewhere, and what is told of is what there is.

AsyncAPI's own schema is asked in tests/system.
"""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from deploy.cli.main import main
from shared import schemas
from shared.events.types import EventType
from shared.messaging.events_stream import EVENTS
from shared.settings.sections import IntakeSettings
from tests.support.contract import mistakes
from tests.unit.test_schemas import BAD, GOOD
from worker.web.app import document

ROW = {
    "source": "shop",
    "intent_id": "ord-1",
    "provider": "mtn",
    "operation": "settle",
    "amount": "80.00",
    "currency": "GHS",
    "state": "accepted",
    "hold_reason": None,
    "attempts": 0,
    "sent_reference": "0123456789abcdefghij",
    "provider_reference": None,
    "detail": None,
    "request_sha256": None,
    "refund_of": None,
    "paid_at": "2026-11-21T03:24:12Z",
    "created_at": "2026-11-21T03:24:13Z",
    "finished_at": None,
}
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1-1",
    "source": "/settlepipe",
    "type": "settlepipe.payment.accepted",
    "subject": "shop/ord-1",
    "time": "2026-11-21T03:24:13Z",
    "datacontenttype": "application/json",
    "data": ROW,
}


def validator(made: dict[str, Any], place: str) -> Draft202012Validator:
    """Of what stands at this place of the document."""
    return Draft202012Validator({"components": made["components"], "$ref": place})


@pytest.mark.parametrize("name", ["asyncapi", "openapi"])
def test_every_reference_leads_somewhere_and_every_schema_is_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", name]) == 0
    text = capsys.readouterr().out
    made = json.loads(text)
    for place in set(re.findall(r'"\$ref": "(#[^"]+)"', text)):
        found = made
        for part in place.removeprefix("#/").split("/"):
            found = found[part]
    for one in made["components"]["schemas"].values():
        Draft202012Validator.check_schema(one)


def test_the_streams_are_those_that_are_used_and_every_type_of_event_is_a_message() -> None:
    channels = schemas.asyncapi()["channels"]
    assert channels["intake"]["address"] in IntakeSettings().sources
    assert channels["events"]["address"] == EVENTS
    assert set(channels["events"]["messages"]) == set(EventType)


def test_an_installation_with_a_prefix_of_keys_names_its_streams_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SETTLEPIPE_BROKER_KEY_PREFIX", "shop-a:")
    assert main(["schema", "asyncapi"]) == 0
    channels = json.loads(capsys.readouterr().out)["channels"]
    assert [channels[name]["address"] for name in ("intake", "events")] == [
        "shop-a:settlepipe:intake",
        f"shop-a:{EVENTS}",
    ]


@pytest.mark.parametrize("place", ["#/components/messages/intent/payload", "#/components/schemas/Intent"])
def test_both_documents_say_the_same_of_an_intent_as_its_schema(place: str) -> None:
    made = schemas.asyncapi() if "messages" in place else document()
    asked = validator(made, place)
    assert [mistakes(asked, one) for one in GOOD] == [[]] * len(GOOD)
    assert [] not in [mistakes(asked, one) for one in BAD]


def test_an_event_is_of_its_own_message_alone() -> None:
    made = schemas.asyncapi()
    for name in EventType:
        told = mistakes(validator(made, f"#/components/messages/{name}/payload"), EVENT)
        assert (told == []) == (name == EVENT["type"]), told
    asked = validator(made, "#/components/messages/settlepipe.payment.accepted/payload")
    assert mistakes(asked, EVENT | {"data": ROW | {"state": "lost"}}) != []
    assert mistakes(validator(document(), "#/components/schemas/Envelope"), EVENT) == []
    assert mistakes(validator(document(), "#/components/schemas/Envelope"), EVENT | {"data": {}}) != []


def test_errors_of_every_route_are_problems() -> None:
    for path, methods in document()["paths"].items():
        for operation in methods.values():
            assert "422" not in operation["responses"], path
            assert list(operation["responses"]["default"]["content"]) == ["application/problem+json"], path
