"""ubill's answers: the table, and how an answer is told to be of a kind."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.answers import Meaning
from shared.domain.payment import Operation
from shared.providers.answer_meanings import Kind
from shared.providers.raw_answers import Fault, HttpAnswer, HttpFault
from shared.providers.ubill.wire import ANSWERS, Said, read

SETTLE = Operation.SETTLE
ADDED = {"statusID": 0, "message": "Success", "data": {"id": "4001"}}
NO = {"statusID": 40, "message": "made-up reason"}
HTML = b"<html>502</html>"
S, C, N, H = Meaning.SUCCEEDED, Meaning.CHECK, Meaning.NOT_SENT, Meaning.HALT


def answer(status: int, body: bytes | object = b"", retry_after_s: float | None = None) -> HttpAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, {}, raw, retry_after_s)


def broken(kind: Fault) -> HttpFault:
    return HttpFault(kind, kind is not Fault.NOT_CONNECTED, "Made-up")


def with_status(value: Any) -> HttpAnswer:
    return answer(200, {**ADDED, "statusID": value})


def test_the_table_is_total() -> None:
    assert set(ANSWERS) == {(SETTLE, kind) for kind in (*Kind, *Said)}


# outcome, what it means, is it an explicit no
CASES: Mapping[str, tuple[HttpAnswer | HttpFault, Meaning, bool]] = {
    "200 with statusID 0 and an id": (answer(200, ADDED), S, False),
    "200 with statusID 0 and a number as the id": (answer(200, {"statusID": 0, "data": {"id": 4001}}), S, False),
    "200 with statusID 0 and no data": (answer(200, {"statusID": 0, "message": "Success"}), C, False),
    "200 with statusID 0 and no id": (answer(200, {"statusID": 0, "data": {}}), C, False),
    "200 with statusID 0 and an empty id": (answer(200, {"statusID": 0, "data": {"id": " "}}), C, False),
    "200 with statusID 0 and id null": (answer(200, {"statusID": 0, "data": {"id": None}}), C, False),
    "200 with statusID 0 and id true": (answer(200, {"statusID": 0, "data": {"id": True}}), C, False),
    "200 with statusID 0 and a list": (answer(200, {"statusID": 0, "data": [{"id": "4001"}]}), C, False),
    "200 with another statusID": (answer(200, NO), C, True),
    "200 with another statusID and an id": (with_status(99), C, True),
    "200 with another statusID as text": (with_status("40"), C, True),
    "200 with a negative statusID": (with_status(-1), C, True),
    "200 with statusID as the text 0": (with_status("0"), C, False),
    "200 with statusID false": (with_status(False), C, False),
    "200 with statusID true": (with_status(True), C, False),
    "200 with statusID null": (with_status(None), C, False),
    "200 with statusID empty": (with_status(""), C, False),
    "200 with statusID 0.0": (answer(200, b'{"statusID": 0.0, "data": {"id": "4001"}}'), C, False),
    "200 with status true, as the list of payments has it": (
        answer(200, {"status": True, "data": {"id": "4001"}}), C, False,
    ),
    "200 with nothing": (answer(200), C, False),
    "200 with an empty object": (answer(200, {}), C, False),
    "200 with a list": (answer(200, [ADDED]), C, False),
    "200 with a text": (answer(200, b'"ok"'), C, False),
    "200 with HTML": (answer(200, HTML), C, False),
    "200 with half an object": (answer(200, json.dumps(ADDED).encode()[:-5]), C, False),
    "200 with two objects": (answer(200, json.dumps(ADDED).encode() * 2), C, False),
    "200 with binary": (answer(200, b"\xff\x00\xfe"), C, False),
    "401": (answer(401), H, False),
    "401 with another statusID": (answer(401, NO), H, False),
    "403": (answer(403, NO), H, False),
    "404 with HTML": (answer(404, HTML), H, False),
    "405": (answer(405), H, False),
    "400 with another statusID": (answer(400, NO), C, True),
    "404 with another statusID": (answer(404, NO), C, True),
    "405 with another statusID": (answer(405, NO), C, True),
    "422 with another statusID": (answer(422, NO), C, True),
    "408": (answer(408, NO), C, False),
    "429": (answer(429, NO, 7.0), N, False),
    "500": (answer(500, NO), C, False),
    "500 that says success": (answer(500, ADDED), C, False),
    "501": (answer(501), C, False),
    "502": (answer(502, HTML), C, False),
    "503": (answer(503, b"", 5.0), C, False),
    "504": (answer(504, HTML), C, False),
    "524": (answer(524, HTML), C, False),
    "599": (answer(599), C, False),
    "not connected": (broken(Fault.NOT_CONNECTED), N, False),
    "a time-out": (broken(Fault.TIME_OUT), C, False),
    "a reset": (broken(Fault.RESET), C, False),
    "a short body": (broken(Fault.SHORT_BODY), C, False),
    "an endless body": (broken(Fault.TOO_LARGE), C, False),
    "no HTTP": (broken(Fault.MALFORMED), C, False),
}  # fmt: skip
UNLISTED = [100, 201, 202, 204, 206, 301, 302, 307, 400, 402, 406, 409, 410, 413, 415, 418, 422, 451, 600, 999]


@pytest.mark.parametrize(("outcome", "meaning", "refusal"), CASES.values(), ids=CASES.keys())
def test_what_an_answer_means(outcome: HttpAnswer | HttpFault, meaning: Meaning, refusal: bool) -> None:
    got = read(SETTLE, outcome)
    assert (got.meaning, got.refusal, got.listed) == (meaning, refusal, True)


@pytest.mark.parametrize("status", UNLISTED)
@pytest.mark.parametrize("body", [b"", b"{}", HTML, json.dumps(ADDED).encode()])
def test_a_status_that_nobody_described_is_checked_and_raises_an_alert(status: int, body: bytes) -> None:
    got = read(SETTLE, answer(status, body))
    assert (got.meaning, got.listed, got.refusal, got.http_status) == (Meaning.CHECK, False, False, status)


@given(
    st.integers(100, 999),
    st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["statusID", "status", "message", "data", "id"]), inner)
            ),
            max_leaves=6,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_every_answer_has_a_meaning_and_none_refuses_or_promises_a_resend(status: int, body: bytes) -> None:
    got = read(SETTLE, answer(status, body))
    assert got.meaning is ANSWERS[SETTLE, got.kind]
    assert got.meaning not in (Meaning.REFUSED, Meaning.RESEND, Meaning.REAUTH)
    assert (got.meaning is Meaning.SUCCEEDED) <= (status == 200 and bool(got.provider_reference))
    assert len(got.detail or "") <= 500


@pytest.mark.parametrize("kind", list(Fault))
def test_only_what_was_never_written_counts_as_not_sent(kind: Fault) -> None:
    assert read(SETTLE, HttpFault(kind, written=False, detail="")).meaning is Meaning.NOT_SENT
    assert read(SETTLE, HttpFault(kind, written=True, detail="")).meaning is Meaning.CHECK


def test_a_success_carries_the_payments_id() -> None:
    assert read(SETTLE, answer(200, ADDED)).provider_reference == "4001"
    assert read(SETTLE, answer(200, {"statusID": 0, "data": {"id": 4001}})).provider_reference == "4001"


def test_an_explicit_no_carries_its_reason() -> None:
    got = read(SETTLE, answer(200, NO))
    assert (got.detail, got.facts, got.provider_reference) == ("made-up reason", {"status_id": 40}, None)


def test_a_detail_is_cut_and_holds_no_control_characters() -> None:
    got = read(SETTLE, answer(200, {"statusID": 1, "message": "a\x00b\r\nc\ud800" + "ა" * 1000}))
    assert got.detail is not None
    assert got.detail.startswith("a b c ა")
    assert len(got.detail) == 500


def test_the_breaker_counts_gateways_and_connections() -> None:
    down = {name for name, (outcome, *_) in CASES.items() if read(SETTLE, outcome).provider_down}
    assert down == {"502", "503", "504", "not connected", "a time-out", "a reset"}


def test_retry_after_is_kept() -> None:
    assert read(SETTLE, answer(429, b"", 7.0)).retry_after_s == 7.0


@pytest.mark.parametrize(
    "zero", ["0.0", "-0", "0e0", "0E-9", '"0"', "false", '"-0"', '" 0"', "[0]", '{"0":0}', "null", "00", "+0", "0x0"]
)
def test_only_the_documented_zero_is_a_success(zero: str) -> None:
    got = read(SETTLE, answer(200, f'{{"statusID":{zero},"data":{{"id":"4001"}}}}'.encode()))
    assert (got.meaning, got.provider_reference) == (Meaning.CHECK, None)


@pytest.mark.parametrize(
    "name", ["StatusID", "statusId", "statusid", "ｓｔａｔｕｓＩＤ", "statusID ", "status\u200bID"]
)
def test_only_the_documented_name_is_a_success(name: str) -> None:
    assert read(SETTLE, answer(200, {name: 0, "data": {"id": "4001"}})).meaning is Meaning.CHECK


@pytest.mark.parametrize("status", [False, None, 0, "false", "error"])
def test_a_success_beside_a_status_that_denies_it_is_checked(status: object) -> None:
    assert read(SETTLE, answer(200, {**ADDED, "status": status})).meaning is Meaning.CHECK
    assert read(SETTLE, answer(200, {**ADDED, "status": True})).meaning is Meaning.SUCCEEDED


@pytest.mark.parametrize("status", [200, 400, 404, 405, 409, 422])
def test_an_own_no_that_contradicts_itself_is_checked_whatever_its_status(status: int) -> None:
    got = read(SETTLE, answer(status, b'{"statusID":40,"statusID":0,"data":{"id":"4001"}}'))
    assert (got.kind, got.meaning) == (Kind.CONTRADICTION, Meaning.CHECK)
