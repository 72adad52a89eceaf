"""mtn's answers: the table, and how an answer is told to be of a kind."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.answers import Meaning
from shared.domain.payment import Operation
from shared.providers.answer_meanings import Kind
from shared.providers.mtn.wire import ANSWERS, Said, read
from shared.providers.raw_answers import Fault, HttpAnswer, HttpFault
from tests.support.references import new_reference

S, A, C, N, H, F = (
    Meaning.SUCCEEDED, Meaning.REAUTH, Meaning.CHECK, Meaning.NOT_SENT, Meaning.HALT, Meaning.REFUSED,
)  # fmt: skip
ERROR = {"timestamp": "t", "status": "4", "error": "e", "message": "no such customer", "path": "/p"}
HTML = b"<html>502</html>"
DONE = {"resultCode": "0000", "resultDescription": "done", "transactionId": "T-1"}


def answer(status: int, body: bytes | object = b"", retry_after_s: float | None = None) -> HttpAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, {}, raw, retry_after_s)


def broken(kind: Fault) -> HttpFault:
    return HttpFault(kind, kind is not Fault.NOT_CONNECTED, "Made-up")


def test_the_table_is_total() -> None:
    assert set(ANSWERS) == {(Operation.SETTLE, kind) for kind in (*Kind, *Said)}


CASES: Mapping[str, tuple[HttpAnswer | HttpFault, Meaning]] = {
    "0000 at the top": (answer(200, DONE | {"data": {}}), S),
    "0000 under result": (answer(200, {"result": DONE, "data": {}}), S),
    "0000 in both": (answer(200, {**DONE, "result": DONE}), S),
    "0000 and another code": (answer(200, {**DONE, "result": {"resultCode": "1"}}), C),
    "another code": (answer(200, DONE | {"resultCode": "1001"}), C),
    "another code under result": (answer(200, {"result": {"resultCode": "1001"}}), C),
    "almost 0000": (answer(200, {"resultCode": "0000 "}), C),
    "0 as a number": (answer(200, {"resultCode": 0}), C),
    "no code": (answer(200, {"data": {}}), C),
    "a code in data": (answer(200, {"data": DONE}), C),
    "an empty 200": (answer(200), C),
    "a list": (answer(200, [DONE]), C),
    "HTML with 200": (answer(200, HTML), C),
    "half an object": (answer(200, b'{"resultCode": "0000", '), C),
    "an Error with 200": (answer(200, ERROR), C),
    "400": (answer(400, ERROR), F),
    "404": (answer(404, ERROR), F),
    "405": (answer(405, ERROR), F),
    "404 with what is required": (answer(404, {"status": "404", "message": "no such customer"}), F),
    "404 with a status that is a number": (answer(404, ERROR | {"status": 404}), F),
    "400 with HTML": (answer(400, HTML), C),
    "400 with nothing": (answer(400), C),
    "404 with HTML": (answer(404, HTML), C),
    "404 without a message": (answer(404, {"status": "404", "error": "e"}), C),
    "404 with an empty message": (answer(404, ERROR | {"message": " "}), C),
    "404 without a status": (answer(404, {"message": "m"}), C),
    "405 with a list": (answer(405, [ERROR]), C),
    "400 with a result": (answer(400, DONE), C),
    "401": (answer(401, ERROR), A),
    "403": (answer(403, ERROR), H),
    "408": (answer(408, ERROR), C),
    "429": (answer(429, ERROR, 7.0), N),
    "500": (answer(500, ERROR), C),
    "501": (answer(501), C),
    "502": (answer(502, HTML), C),
    "503": (answer(503, ERROR, 5.0), C),
    "504": (answer(504, HTML), C),
    "not connected": (broken(Fault.NOT_CONNECTED), N),
    "a time-out": (broken(Fault.TIME_OUT), C),
    "a reset": (broken(Fault.RESET), C),
    "a short body": (broken(Fault.SHORT_BODY), C),
    "an endless body": (broken(Fault.TOO_LARGE), C),
    "no HTTP": (broken(Fault.MALFORMED), C),
}


@pytest.mark.parametrize(("outcome", "expected"), CASES.values(), ids=CASES.keys())
def test_what_an_answer_means(outcome: HttpAnswer | HttpFault, expected: Meaning) -> None:
    got = read(outcome, key_alone=False)
    assert (got.meaning, got.listed) == (expected, True)
    assert read(outcome, key_alone=True).meaning is (H if expected is A else expected)


@pytest.mark.parametrize("status", [100, 201, 202, 204, 206, 302, 308, 402, 406, 409, 410, 415, 418, 422, 451, 600])
def test_a_status_that_nobody_described_is_checked_and_raises_an_alert(status: int) -> None:
    for body in (b"", b"{}", ERROR, DONE, HTML):
        got = read(answer(status, body), key_alone=False)
        assert (got.meaning, got.listed, got.http_status) == (C, False, status)


_SAID = st.dictionaries(
    st.sampled_from(["resultCode", "result", "status", "message", "data", "transactionId"]),
    st.recursive(
        st.sampled_from(["0000", "1", "", None, 0, True, 1e300]),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["resultCode", "amount"]), inner),
        max_leaves=4,
    ),
)


@given(st.integers(100, 999), st.binary(max_size=60) | _SAID.map(lambda value: json.dumps(value).encode()))
def test_every_answer_has_a_meaning_and_only_documented_ones_are_final(status: int, body: bytes) -> None:
    got = read(answer(status, body), key_alone=False)
    assert got.meaning is ANSWERS[Operation.SETTLE, got.kind]
    assert (got.meaning is S) <= (status == 200)
    assert (got.meaning is F) <= (status in (400, 404, 405))
    assert got.meaning is not Meaning.RESEND
    json.dumps([got.detail, dict(got.facts), got.provider_reference])


@pytest.mark.parametrize("kind", list(Fault))
def test_only_what_was_never_written_counts_as_not_sent(kind: Fault) -> None:
    assert read(HttpFault(kind, written=False, detail=""), key_alone=False).meaning is N
    assert read(HttpFault(kind, written=True, detail=""), key_alone=False).meaning is C


def test_an_undocumented_no_is_checked_and_kept_as_a_refusal_with_its_reason() -> None:
    """Trap: another resultCode is not documented; NOT_APPLIED then makes the payment refused with this reason."""
    got = read(answer(200, DONE | {"resultCode": "1001", "resultDescription": "barred"}), key_alone=False)
    assert (got.meaning, got.refusal, got.detail) == (C, True, "resultCode 1001: barred")
    assert got.provider_reference is None


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_refusal_has_mtns_reason(status: int) -> None:
    got = read(answer(status, ERROR), key_alone=False)
    assert (got.refusal, got.detail) == (True, "no such customer")


@pytest.mark.parametrize("body", [b"", b"{}", ERROR])
def test_a_refused_key_says_what_to_look_at(body: Any) -> None:
    assert "SETTLEPIPE_MTN__API_KEY" in (read(answer(401, body), key_alone=True).detail or "")


def test_the_breaker_counts_gateways_and_connections() -> None:
    down = {name for name, (outcome, _) in CASES.items() if read(outcome, key_alone=False).provider_down}
    assert down == {"502", "503", "504", "not connected", "a time-out", "a reset"}


def test_a_success_keeps_mtns_own_id_and_the_amounts() -> None:
    data = {
        "idType": "Account Number", "id": "700001", "paymentRef": [{"referenceId": "x", "referenceType": "y"}],
        "amountPaid": {"amount": "100.00", "unit": "ZAR"}, "advancePayment": {"amount": "5.00", "unit": "ZAR"},
    }  # fmt: skip
    for document in (DONE | {"data": data}, {"result": DONE, "data": data}):
        got = read(answer(200, document), key_alone=False)
        assert got.provider_reference == "T-1"
        assert got.facts == {"result_code": "0000", "amount_paid": "100.00 ZAR", "advance_payment": "5.00 ZAR"}


def test_what_is_kept_holds_no_control_characters_and_is_cut() -> None:
    odd = "a\x00b\ud800" + "я" * 1000
    said = {"resultCode": odd, "resultDescription": odd, "data": {"amountPaid": {"amount": odd, "unit": odd}}}
    got = read(answer(200, said), key_alone=False)
    for text in (got.detail or "", *got.facts.values()):
        text.encode()
        assert "\x00" not in text
        assert len(text) <= 1000


@pytest.mark.parametrize("other", ["1", "0", "1001", ""])
def test_two_codes_that_differ_are_neither_a_yes_nor_a_no(other: str) -> None:
    got = read(answer(200, {**DONE, "result": {"resultCode": other}}), key_alone=False)
    assert (got.kind, got.meaning, got.refusal) == ("ok_other", C, False)


@pytest.mark.parametrize(
    "code", ["0", "0.0", '"0"', '"00000"', '"0000 "', '"\\uff10\\uff10\\uff10\\uff10"', "0000", "[]"]
)
def test_only_the_documented_code_is_a_success(code: str) -> None:
    got = read(answer(200, f'{{"resultCode":{code},"transactionId":"T-1"}}'.encode()), key_alone=False)
    assert (got.meaning, got.provider_reference) == (C, None)


@pytest.mark.parametrize("status", [200, 400, 404, 405])
def test_an_error_beside_a_success_is_neither(status: int) -> None:
    error = {"timestamp": "t", "status": 400, "error": "Bad Request", "message": "made-up", "path": "/"}
    for document in (DONE | error, error | {"result": DONE}):
        got = read(answer(status, document), key_alone=False)
        assert (got.meaning, got.provider_reference) == (C, None)


@pytest.mark.parametrize("status", ["200", 200, "201 CREATED"])
def test_an_error_that_says_that_it_was_done_is_no_refusal(status: object) -> None:
    error = {"timestamp": "t", "status": status, "error": "", "message": "made-up", "path": "/"}
    assert read(answer(400, error), key_alone=False).meaning is C


def test_an_answer_that_names_another_payment_of_ours_is_not_this_ones() -> None:
    mine, other = new_reference(), new_reference()

    def named(*references: str) -> HttpAnswer:
        return answer(200, DONE | {"data": {"paymentRef": [{"referenceId": text} for text in references]}})

    for references, kind in (
        ((other,), Kind.CONTRADICTION),
        ((other, "SLIP-1"), Kind.CONTRADICTION),
        ((mine,), Said.OK),
        ((mine, other), Said.OK),
        (("SLIP-1",), Said.OK),
        ((), Said.OK),
    ):
        got = read(named(*references), key_alone=False, reference=mine)
        assert got.kind == kind, references
        assert (got.provider_reference is None) == (kind == Kind.CONTRADICTION)
