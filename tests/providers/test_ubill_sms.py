"""ubill's text messages over real sockets: a sending is one call, the key is in no URL, look-ups say what happened."""

import json
from typing import Any

import pytest

from shared.domain.answers import Meaning
from shared.domain.records import DeliveryReport
from shared.domain.request import Request
from shared.providers.base import Auth, LookupFailed
from shared.providers.ubill import sms_wire
from tests.support.raw_server import Connection, answer
from tests.support.ubill import KEY, Route, reply, ubill

SENT = reply({"statusID": 0, "smsID": 71, "message": "SMS Sended"})
NUMBERS = "995500000001,995500000002,995500000003"
FUTURE, PAST = "2099-01-31 23:30", "2020-01-31 23:30"


def ask(lookup: str, routes: dict[str, Route], **given: Any) -> tuple[Any, list[str], list[dict[str, Any]]]:
    """The look-up's answer, the calls that it made, and the bodies that it sent."""
    with ubill(routes, brand_id=7) as (connected, fake, server):
        found = connected.lookups[lookup].call(**given)
        assert set(fake.keys) == {KEY}
        assert KEY not in "".join(fake.asked)
        return found, fake.asked, [json.loads(body) for body in server.bodies() if body]


def failed(lookup: str, routes: dict[str, Route], **given: Any) -> tuple[str, list[str]]:
    with ubill(routes, brand_id=7, total_timeout_s=2) as (connected, fake, _):
        with pytest.raises(LookupFailed) as error:
            connected.lookups[lookup].call(**given)
        return str(error.value), fake.asked


@pytest.mark.parametrize(
    ("route", "meaning"),
    [
        (SENT, Meaning.SUCCEEDED),
        (reply({"statusID": 40, "message": "Not enough SMS"}), Meaning.NOT_SENT),
        (reply({"statusID": 50, "message": "Valid numbers not found"}), Meaning.REFUSED),
        (answer(524, b"<html>"), Meaning.CHECK),
        (lambda c: c.hang(), Meaning.CHECK),
        (lambda c: c.reset(), Meaning.CHECK),
    ],
)
def test_a_follow_up_is_one_call_whatever_comes_of_it(route: Route, meaning: Meaning) -> None:
    with ubill({"/sms/send": route}, total_timeout_s=2) as (connected, fake, server):
        body = b'{"made": "up"}'
        got = connected.follow_ups["sms"].send(Request(sms_wire.SEND, body), Auth({"key": KEY}))
        assert got.meaning is meaning
        assert fake.asked == ["POST /v1/sms/send"]
        assert server.bodies() == [body]


def test_the_connected_provider_reads_reports() -> None:
    rows = {"statusID": 0, "result": [{"number": "995500000001", "statusID": "1"}]}
    with ubill({"/sms/report/71": reply(rows)}) as (connected, fake, _):
        assert connected.reports is not None
        assert connected.reports("71") == [DeliveryReport("995500000001", 1)]
        assert fake.asked == ["GET /v1/sms/report/71"]
        with pytest.raises(LookupFailed):
            connected.reports("72")


def test_reads_answer_what_is_documented() -> None:
    report = reply({"statusID": 0, "result": [{"number": "995500000001", "statusID": "2"}]})
    found, asked, _ = ask("sms_report", {"/sms/report/71": report}, sms_id="71")
    assert found == [{"number": "995500000001", "status": 2, "means": "not delivered"}]
    found, asked, _ = ask("sms_balance", {"/sms/balance": reply({"statusID": 0, "sms": 5000})})
    assert (found, asked) == ({"sms": 5000}, ["GET /v1/sms/balance"])
    brand = {"id": "1", "name": "made up", "authorized": "1", "createdAt": "2026-11-21 12:00:00"}
    found, _, _ = ask("sms_brand_names", {"/sms/brandNames": reply({"statusID": 0, "data": [brand]})})
    assert found == [brand]


@pytest.mark.parametrize(
    ("lookup", "path"),
    [("sms_balance", "/sms/balance"), ("sms_brand_names", "/sms/brandNames"), ("sms_report", "/sms/report/71")],
)
@pytest.mark.parametrize(
    "route",
    [answer(401, b""), answer(200, b"<html>"), reply({"statusID": 99, "message": "made up"}), reply([]), reply({})],
)
def test_a_read_without_a_usable_answer_is_said(lookup: str, path: str, route: Route) -> None:
    given = {"sms_id": "71"} if lookup == "sms_report" else {}
    said, _ = failed(lookup, {path: route}, **given)
    assert said.startswith(f"ubill {lookup}: ")


def test_brands_are_created_and_deleted() -> None:
    done = reply({"statusID": 0, "brandID": 3, "message": "BrandName Created"})
    found, asked, bodies = ask("sms_brand_create", {"/sms/brandNameCreate": done}, name="MadeUp")
    assert found == {"brand_id": 3, "message": "BrandName Created"}
    assert (asked, bodies) == (["POST /v1/sms/brandNameCreate"], [{"brandName": "MadeUp"}])
    _, asked, bodies = ask("sms_brand_delete", {"/sms/brandNameDelete": done}, brand_id=3)
    assert (asked, bodies) == (["POST /v1/sms/brandNameDelete"], [{"brandID": 3}])


def test_a_brands_name_has_2_to_11_characters() -> None:
    for name in ("a", "a" * 12):
        assert failed("sms_brand_create", {}, name=name) == (
            "ubill sms_brand_create: a name has 2 to 11 characters",
            [],
        )
    for name in ("ab", "a" * 11):
        ask("sms_brand_create", {"/sms/brandNameCreate": reply({"statusID": 0})}, name=name)


def test_a_change_is_sent_once_and_its_failure_says_whether_it_may_have_been_done() -> None:
    path = "/sms/brandNameDelete"
    said, asked = failed("sms_brand_delete", {path: lambda c: c.reset()}, brand_id=3)
    assert "may have been done" in said
    assert asked == [f"POST /v1{path}"]
    said, _ = failed("sms_brand_delete", {path: reply({"statusID": 10, "message": "BrandName not found"})}, brand_id=3)
    assert said.endswith("statusID 10: BrandName not found")


def test_a_text_goes_to_all_numbers_with_its_options() -> None:
    options = {"otp": True, "stop_list": False, "send_time": FUTURE}
    found, _, bodies = ask("sms_send", {"/sms/send": SENT}, numbers=NUMBERS, text="hello", **options)
    assert found == [{"batch": 1, "numbers": 3, "outcome": "sent", "sms_id": "71", "detail": "sent"}]
    sent = {"numbers": NUMBERS.split(","), "text": "hello"}
    assert bodies == [{"brandID": 7, **sent, "stopList": False, "otp": True, "sendTime": FUTURE}]


def test_a_text_for_each_number_and_another_brand() -> None:
    messages = [{"number": "995500000001", "text": "a"}, {"number": "995500000002", "text": "b"}]
    _, _, bodies = ask("sms_send", {"/sms/send": SENT}, messages=json.dumps(messages), brand_id=8)
    assert bodies == [{"brandID": 8, "numbers": messages}]


@pytest.mark.parametrize(
    ("second", "outcomes"),
    [
        (SENT, ["sent", "sent", "sent"]),
        (reply({"statusID": 50, "message": "Valid numbers not found"}), ["sent", "refused", "sent"]),
        (reply({"statusID": 40, "message": "Not enough SMS"}), ["sent", "not_sent", "not_tried"]),
        (reply({"statusID": 99, "message": "General error"}), ["sent", "unknown", "not_tried"]),
        (answer(500, b""), ["sent", "unknown", "not_tried"]),
        (answer(403, b""), ["sent", "unknown", "not_tried"]),
    ],
)
def test_batches_end_at_the_first_that_is_not_clearly_sent_or_refused(
    monkeypatch: pytest.MonkeyPatch, second: bytes, outcomes: list[str]
) -> None:
    monkeypatch.setattr(sms_wire, "MAX_NUMBERS", 1)
    answers = [SENT, second, SENT]

    def route(connection: Connection) -> None:
        for one in answers[len(connection.server.requests) - 1 :]:
            connection.send(one)
            if connection.request() is None:
                return

    found, _, _ = ask("sms_send", {"/sms/send": route}, numbers=NUMBERS, text="hello")
    assert [entry["outcome"] for entry in found] == outcomes
    assert [entry["batch"] for entry in found] == [1, 2, 3]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give numbers and text, or messages"),
        ({"numbers": NUMBERS, "text": "a", "messages": "[]"}, "give numbers and text, or messages"),
        ({"numbers": NUMBERS}, "the text for number 1 is empty"),
        ({"numbers": "995500000001,+995500000002", "text": "a"}, "number 2 is not international"),
        ({"numbers": "995500000001", "text": "\udcff"}, "the text for number 1 is empty or not text"),
        ({"messages": "[]"}, "messages is empty"),
        ({"messages": "{"}, "must be a JSON list"),
        ({"messages": '[{"number": 995500000001, "text": "a"}]'}, "must be a JSON list"),
        ({"numbers": NUMBERS, "text": "a", "send_time": "31.01.2099"}, "is written like"),
        ({"numbers": NUMBERS, "text": "a", "send_time": PAST}, "must be in the future"),
    ],
)
def test_what_can_not_be_sent_is_said_before_anything_is_sent(given: dict[str, Any], said: str) -> None:
    error, asked = failed("sms_send", {"/sms/send": SENT}, **given)
    assert said in error
    assert asked == []


def test_without_a_brand_nothing_is_sent() -> None:
    with ubill({"/sms/send": SENT}) as (connected, fake, _), pytest.raises(LookupFailed, match="BRAND_ID"):
        connected.lookups["sms_send"].call(numbers=NUMBERS, text="a")
    assert fake.asked == []
