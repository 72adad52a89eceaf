"""ubill's text messages as data: bytes, batches, every answer, reports."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.answers import Meaning
from shared.domain.records import DeliveryReport
from shared.domain.request import Refusal, Request
from shared.providers.answer_meanings import Kind
from shared.providers.http import Http
from shared.providers.raw_answers import Fault, HttpAnswer, HttpFault, parse_json
from shared.providers.ubill import sms_wire
from shared.providers.ubill.sms import Sms, text_of
from shared.providers.ubill.sms_wire import ANSWERS, OPERATION, Message, Said
from shared.settings.sections import HttpSettings, UbillSettings
from tests.support.memory import SETTLE, MemoryDirectory

NUMBER = "995500000001"
PAYMENT = replace(SETTLE, notify={"sms": NUMBER}, amount_minor=12_345, currency="GEL")


def said(document: Any, status: int = 200) -> HttpAnswer:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return HttpAnswer(status, {}, body)


def build(payment: Any = PAYMENT, **settings: Any) -> Any:
    section = UbillSettings.model_validate({"brand_id": 7, **settings})
    return Sms(section, Http("http://127.0.0.1:1", HttpSettings())).build(payment, MemoryDirectory())


# --- requests


def test_a_payments_message_has_its_number_and_its_text() -> None:
    built = build(sms_text="$amount $currency, $intent_id ($source), $$1")
    assert isinstance(built, Request)
    assert built.path == "/sms/send"
    assert json.loads(built.body) == {"brandID": 7, "numbers": [NUMBER], "text": "123.45 GEL, order-1 (shop), $1"}
    assert build() == build(), "the same payment gives the same bytes"


def test_what_a_payment_is_called_is_never_read_as_a_template() -> None:
    assert text_of("$intent_id", replace(PAYMENT, intent_id="$amount")) == "$amount"


@pytest.mark.parametrize("changes", [{"brand_id": None}])
def test_without_a_brand_a_message_is_refused(changes: dict[str, Any]) -> None:
    refused = build(**changes)
    assert isinstance(refused, Refusal)
    assert "BRAND_ID" in refused.detail


@pytest.mark.parametrize("number", [None, "", "+995500000001", "00995500000001", "0500000001", "5 00", "٩٩٥٥٠٠٠٠٠٠٠١"])
def test_a_number_that_is_not_international_is_refused_and_not_told(number: str | None) -> None:
    refused = build(replace(PAYMENT, notify={"sms": number}))
    assert isinstance(refused, Refusal)
    assert not number or number not in refused.detail


def test_one_text_for_all_and_a_text_for_each_are_the_documented_forms() -> None:
    same = [Message("995500000001", "გამარჯობა"), Message("995500000002", "გამარჯობა")]
    options = {"stopList": False, "otp": True, "sendTime": "2027-01-31 23:30"}
    assert parse_json(sms_wire.body(1, same, options)) == {
        "brandID": 1,
        "numbers": ["995500000001", "995500000002"],
        "text": "გამარჯობა",
        **options,
    }
    assert parse_json(sms_wire.body(1, [same[0], Message("995500000002", "b")])) == {
        "brandID": 1,
        "numbers": [{"number": "995500000001", "text": "გამარჯობა"}, {"number": "995500000002", "text": "b"}],
    }


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("{" * 80, 1),
        ("{" * 81, 2),
        ("ა" * 70, 1),
        ("ა" * 71, 2),
        ("ა" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_parts_are_counted_as_on_the_air(text: str, parts: int) -> None:
    assert sms_wire.parts(text) == parts


@pytest.mark.parametrize(
    ("count", "text", "sizes"),
    [
        (0, "a", []),
        (1, "a", [1]),
        (100_000, "a", [100_000]),
        (100_001, "a", [100_000, 1]),
        (50_001, "a" * 6 * 153, [50_000, 1]),
    ],
)
def test_batches_stay_within_the_numbers_that_are_recommended(count: int, text: str, sizes: list[int]) -> None:
    messages = [Message(str(995_500_000_000 + number), text) for number in range(count)]
    found = list(sms_wire.batches(messages))
    assert [len(batch) for batch in found] == sizes
    assert [message for batch in found for message in batch] == messages


def test_batches_stay_within_the_size_of_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sms_wire, "MAX_BODY_BYTES", 1000)
    messages = [Message(str(995_500_000_000 + number), "ა" * (number % 7) + f"{number}\n") for number in range(200)]
    found = list(sms_wire.batches(messages))
    assert [message for batch in found for message in batch] == messages
    assert len(found) > 5
    options = {"stopList": False, "otp": True, "sendTime": "2027-01-31 23:30"}
    assert all(len(sms_wire.body(1_000_000, batch, options)) <= 1000 + 100 for batch in found)


# --- answers


def test_the_table_is_total_and_never_lets_a_message_be_repeated_on_a_guess() -> None:
    assert {kind for _, kind in ANSWERS} == {*map(str, Kind), *map(str, Said)}
    assert {operation for operation, _ in ANSWERS} == {OPERATION}
    again = {kind for (_, kind), meaning in ANSWERS.items() if meaning in (Meaning.NOT_SENT, Meaning.REAUTH)}
    assert again == {Kind.NOT_CONNECTED, Kind.TOO_MANY, Kind.UNAUTHORISED, Said.NO_CREDIT}
    assert Meaning.RESEND not in ANSWERS.values()
    halts = {kind for (_, kind), meaning in ANSWERS.items() if meaning is Meaning.HALT}
    assert halts == {Kind.FORBIDDEN}  # for a follow-up: a person's


@pytest.mark.parametrize("sms_id", [71, "71"])
def test_a_success_has_the_messages_id(sms_id: object) -> None:
    answer = sms_wire.read(said({"statusID": 0, "smsID": sms_id, "message": "SMS Sent"}))
    assert (answer.meaning, answer.provider_reference, answer.facts) == (Meaning.SUCCEEDED, "71", {"sms_id": "71"})


@pytest.mark.parametrize(
    ("status_id", "meaning"),
    [
        (10, Meaning.REFUSED),
        (20, Meaning.REFUSED),
        (30, Meaning.REFUSED),
        (40, Meaning.NOT_SENT),
        (50, Meaning.REFUSED),
        (60, Meaning.REFUSED),
        (90, Meaning.REFUSED),
        (99, Meaning.CHECK),
        (70, Meaning.CHECK),
        (-1, Meaning.CHECK),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_every_no_means_what_it_says(status_id: int, meaning: Meaning, status: int) -> None:
    answer = sms_wire.read(said({"statusID": status_id, "message": "made up\x07"}, status))
    assert answer.meaning is meaning
    assert answer.detail == f"made up (statusID {status_id}, HTTP {status})"
    assert answer.refusal is (status_id in range(10, 100) and status_id != 70)


@pytest.mark.parametrize(
    "outcome",
    [
        said(b""),
        said(b"<html>"),
        said(b'{"statusID": 0, "smsID": 7'),
        said([]),
        said({}),
        said({"statusID": 0}),
        said({"statusID": 0, "smsID": True}),
        said({"statusID": 0, "smsID": ""}),
        said({"statusID": False, "smsID": 71}),
        said({"statusID": "0", "smsID": 71}),
        said({"statusID": 0, "smsID": 71}, 400),
        said({"statusID": 0, "smsID": 71}, 202),
        said({"statusID": 10}, 500),
        said({"statusID": 20}, 524),
        said({}, 404),
        said({}, 408),
        HttpFault(Fault.TIME_OUT, True, "x"),
        HttpFault(Fault.RESET, True, "x"),
        HttpFault(Fault.SHORT_BODY, True, "x"),
        HttpFault(Fault.NOT_CONNECTED, True, "x"),
    ],
)
def test_what_is_not_described_is_for_a_person(outcome: HttpAnswer | HttpFault) -> None:
    assert sms_wire.read(outcome).meaning is Meaning.CHECK


@pytest.mark.parametrize("outcome", [HttpFault(Fault.NOT_CONNECTED, False, "x"), said({}, 429)])
def test_what_was_surely_not_sent_is_sent_later(outcome: HttpAnswer | HttpFault) -> None:
    assert sms_wire.read(outcome).meaning is Meaning.NOT_SENT


# --- reports


def test_a_reports_status_is_not_the_answers_status() -> None:
    document = {"statusID": 0, "result": [{"number": NUMBER, "statusID": "1"}, {"number": 995500000002, "statusID": 4}]}
    assert sms_wire.reports(document) == [DeliveryReport(NUMBER, 1), DeliveryReport("995500000002", 4)]
    assert sms_wire.reports({"statusID": 0, "result": []}) == []


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"statusID": 1, "result": []},
        {"statusID": 0, "result": {}},
        {"statusID": 0, "result": [None]},
        {"statusID": 0, "result": [{"number": NUMBER}]},
        {"statusID": 0, "result": [{"number": NUMBER, "statusID": "5"}]},
        {"statusID": 0, "result": [{"number": None, "statusID": "1"}]},
    ],
)
def test_a_report_that_is_not_as_documented_is_none(document: Any) -> None:
    assert sms_wire.reports(document) is None
