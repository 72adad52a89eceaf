"""Text messages against the sandbox: another's reading of the same document."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from shared.domain.answers import Answer, Meaning
from shared.domain.records import DeliveryReport
from shared.domain.request import Request
from shared.providers.base import Connected
from shared.providers.registry import connect
from shared.providers.ubill import sms_wire
from shared.settings import Settings
from shared.settings.sections import HttpSettings, UbillSettings
from tests.support.memory import SETTLE, MemoryDirectory, MemoryTokens
from tests.support.sandbox import SandboxClient

NUMBER, OTHER = "995500000001", "995500000002"


def connected(sandbox: SandboxClient, **changes: Any) -> Connected:
    section = UbillSettings(
        **{"base_url": sandbox.ubill_url, "api_key": SecretStr("sandbox"), "brand_id": 1, **changes}
    )
    http = HttpSettings(connect_timeout_s=1, total_timeout_s=2)
    return connect("ubill", Settings(ubill=section, http=http), MemoryTokens())


def send(sandbox: SandboxClient, **changes: Any) -> Answer:
    of = connected(sandbox, **changes)
    sms = of.follow_ups["sms"]
    request = sms.build(replace(SETTLE, notify={"sms": NUMBER}), MemoryDirectory())
    assert isinstance(request, Request)
    assert of.provider is not None
    return sms.send(request, of.provider.authorise())


def test_a_payments_message_is_sent_once_and_its_delivery_reported(sandbox: SandboxClient) -> None:
    answer = send(sandbox)
    assert answer.meaning is Meaning.SUCCEEDED
    sms_id = answer.provider_reference
    assert sms_id is not None
    of = connected(sandbox)
    assert of.reports is not None
    assert of.reports(sms_id) == [DeliveryReport(NUMBER, 0)]
    sandbox.call("POST", "ubill/deliver", {"smsID": int(sms_id), "number": NUMBER, "statusID": 1})
    assert of.reports(sms_id) == [DeliveryReport(NUMBER, 1)]
    assert of.lookups["sms_balance"].call() == {"sms": 4999}


@pytest.mark.parametrize(
    ("options", "changes", "meaning"),
    [
        ({"sms_balance": 0}, {}, Meaning.NOT_SENT),
        ({"stop_list": [NUMBER]}, {}, Meaning.REFUSED),
        ({}, {"brand_id": 99}, Meaning.REFUSED),
        ({}, {"api_key": SecretStr("another")}, Meaning.REAUTH),
    ],
)
def test_what_is_not_sent_is_known_as_such(
    sandbox: SandboxClient, options: dict[str, Any], changes: dict[str, Any], meaning: Meaning
) -> None:
    sandbox.call("POST", "ubill/options", options)
    assert send(sandbox, **changes).meaning is meaning
    assert sandbox.ledger() == []


def test_an_answer_that_is_lost_after_the_sending_is_a_persons(sandbox: SandboxClient) -> None:
    sandbox.set_faults({"provider": "ubill", "operation": "sms_send", "fault": "error_500_after"})
    assert send(sandbox).meaning is Meaning.CHECK
    assert len(sandbox.ledger()) == 1


def test_the_look_ups_do_what_they_say(sandbox: SandboxClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sms_wire, "MAX_NUMBERS", 1)
    lookups = connected(sandbox).lookups
    sent = lookups["sms_send"].call(numbers=f"{NUMBER},{OTHER}", text="გამარჯობა", send_time="2099-01-31 23:30")
    assert [entry["outcome"] for entry in sent] == ["sent", "sent"]
    [report] = lookups["sms_report"].call(sms_id=sent[1]["sms_id"])
    assert (report["number"], report["means"]) == (OTHER, "sent")
    created = lookups["sms_brand_create"].call(name="MadeUp")
    assert "MadeUp" in [brand["name"] for brand in lookups["sms_brand_names"].call()]
    lookups["sms_brand_delete"].call(brand_id=created["brand_id"])
    assert "MadeUp" not in [brand["name"] for brand in lookups["sms_brand_names"].call()]
