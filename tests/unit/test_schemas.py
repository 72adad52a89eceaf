"""The schemas allow what is allowed, forbid what is forbidden, and say so for programs."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from deploy.cli.main import main
from shared import schemas
from shared.domain.intent import BadIntent, parse_intent
from shared.events.types import EventType
from shared.providers.registry import REGISTRATIONS
from tests.support.contract import EVENT, INTENT, mistakes

TARGETS = {name: registration.target for name, registration in REGISTRATIONS.items()}
SETTLE: dict[str, Any] = {
    "intent_id": "ord-1",
    "source": "shop",
    "provider": "billcenter",
    "operation": "settle",
    "amount": "100.00",
    "currency": "MNT",
    "paid_at": "2026-11-21T03:24:12Z",
    "target": {"invoice_code": "037000007", "bs_customer_code": "543210", "biller_service_id": 140},
    "receipt": {"register": "", "email": "a@example.com"},
    "notify": {"sms": "995500000001"},
    "metadata": {"any": ["thing"]},
}
MTN = SETTLE | {
    "provider": "mtn",
    "currency": "GHS",
    "target": {"id_type": "Account Number", "id": "00700001", "customer_type": 2},
}
REFUND = {k: v for k, v in SETTLE.items() if k not in ("target", "receipt", "notify")} | {
    "operation": "refund",
    "refund_of": "ord-0",
}
GOOD = [
    SETTLE | {"paid_at": "2026-11-21t03:24:12.5+08:00", "amount": "0.5"},
    SETTLE,
    MTN,
    REFUND,
    SETTLE | {"provider": "ubill", "currency": "GEL", "target": {"account_id": 700001}},
]
BAD = [
    SETTLE | {"target": MTN["target"]},
    SETTLE | {"target": None},
    SETTLE | {"target": SETTLE["target"] | {"other": 1}},
    SETTLE | {"refund_of": "ord-0"},
    SETTLE | {"provider": "mars"},
    SETTLE | {"amount": 100},
    SETTLE | {"amount": "1e3"},
    SETTLE | {"amount": "-1"},
    SETTLE | {"paid_at": "yesterday"},
    SETTLE | {"paid_at": "2026-11-21T03:24:12"},
    SETTLE | {"notify": {"sms": "0099"}},
    SETTLE | {"colour": "red"},
    {k: v for k, v in SETTLE.items() if k != "source"},
    REFUND | {"refund_of": None},
    REFUND | {"target": SETTLE["target"]},
    MTN | {"target": MTN["target"] | {"customer_type": 4}},
]


@pytest.mark.parametrize("name", ["intent", "event", "export"])
def test_a_schema_is_one_and_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", name]) == 0
    written = capsys.readouterr().out
    assert main(["schema", name, "--json"]) == 0
    assert capsys.readouterr().out == written, "as every command that reads"
    printed = json.loads(written)
    assert printed == getattr(schemas, name)()
    Draft202012Validator.check_schema(printed)
    assert printed["$id"] == f"urn:settlepipe:schema:{name}:1"


def test_no_other_schema_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "mars"]) == 2
    assert "intent, event, export" in capsys.readouterr().err


@pytest.mark.parametrize("document", GOOD)
def test_what_is_read_is_allowed(document: dict[str, Any]) -> None:
    parse_intent(json.dumps(document).encode(), TARGETS)
    assert mistakes(INTENT, document) == []


@pytest.mark.parametrize("document", BAD)
def test_what_is_forbidden_is_not_read(document: dict[str, Any]) -> None:
    assert mistakes(INTENT, document) != []
    with pytest.raises(BadIntent):
        parse_intent(json.dumps(document).encode(), TARGETS)


@pytest.mark.parametrize("event_type", EventType)
def test_every_type_of_event_has_its_data(event_type: EventType) -> None:
    name = event_type.split(".")[1]
    assert name in schemas.DATA
    empty: dict[str, Any] = {
        "specversion": "1.0",
        "id": "1-1",
        "source": "/settlepipe",
        "type": str(event_type),
        "subject": "-",
        "time": "2026-11-21T03:24:12Z",
        "datacontenttype": "application/json",
        "data": {},
    }
    assert any("is a required property" in told for told in mistakes(EVENT, empty)), "its data is looked at"
