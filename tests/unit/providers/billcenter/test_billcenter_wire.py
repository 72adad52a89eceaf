"""billcenter's answers: the table, and how an answer is told to be of a kind."""

import json
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.answers import Meaning
from shared.domain.payment import Operation
from shared.providers.answer_meanings import Kind
from shared.providers.billcenter.bodies import RECEIPT
from shared.providers.billcenter.wire import ANSWERS, Said, read
from shared.providers.raw_answers import Fault, HttpAnswer, HttpFault

SETTLE, REFUND = Operation.SETTLE, Operation.REFUND
DUPLICATE = re.compile("already exists")


def answer(status: int, body: bytes | object = b"", retry_after_s: float | None = None) -> HttpAnswer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status, {}, raw, retry_after_s)


def broken(kind: Fault) -> HttpFault:
    return HttpFault(kind, kind is not Fault.NOT_CONNECTED, "Made-up")


def test_the_table_is_total() -> None:
    assert set(ANSWERS) == {(operation, kind) for operation in (SETTLE, REFUND, RECEIPT) for kind in (*Kind, *Said)}


INVOICE = {"id": 7, "invoice_code": "900000001", "amount_paid": "1000.00", "status": "PARTIALLY_PAID"}
VAT_RECEIPT = {
    "id": 31,
    "lottery": "AA 00000001",
    "qrdt": "1" * 298,
    "vat": "9.00",
    "mail": True,
    "meta_data": {"pdfUrl": "u"},
}
HTML = b"<html>502</html>"
S, R, A, C, N, H, F = (
    Meaning.SUCCEEDED, Meaning.RESEND, Meaning.REAUTH, Meaning.CHECK, Meaning.NOT_SENT, Meaning.HALT, Meaning.REFUSED,
)  # fmt: skip

# outcome, what it means for settle, refund, receipt
CASES: Mapping[str, tuple[HttpAnswer | HttpFault, Meaning, Meaning, Meaning]] = {
    "an empty 200": (answer(200), S, C, C),
    "a 200 of blanks": (answer(200, b"\r\n"), S, C, C),
    "200 with the invoice": (answer(200, INVOICE), S, C, C),
    "200 with an empty object": (answer(200, {}), S, C, C),
    "200 with detail": (answer(200, {"detail": "done"}), S, S, C),
    "200 with an empty detail": (answer(200, {"detail": ""}), S, C, C),
    "200 with a detail that is no text": (answer(200, {"detail": ["done"]}), S, C, C),
    "200 with a receipt": (answer(200, VAT_RECEIPT), S, C, S),
    "200 with a list": (answer(200, []), R, C, C),
    "200 with a text": (answer(200, b'"ok"'), R, C, C),
    "200 with null": (answer(200, b"null"), R, C, C),
    "200 with HTML": (answer(200, HTML), R, C, C),
    "200 with half an object": (answer(200, b'{"id": 7, "amo'), R, C, C),
    "200 with two objects": (answer(200, b"{}{}"), R, C, C),
    "200 with binary": (answer(200, b"\xff\x00\xfe"), R, C, C),
    "400 with detail": (answer(400, {"detail": "no such invoice"}), F, F, F),
    "400 with a known id": (answer(400, {"detail": "payment_id x already exists"}), C, C, C),
    "400 without detail": (answer(400, {}), C, C, C),
    "400 with another field": (answer(400, {"paid_amount": ["wrong"]}), C, C, C),
    "400 with an empty detail": (answer(400, {"detail": " "}), C, C, C),
    "400 with HTML": (answer(400, HTML), C, C, C),
    "400 with nothing": (answer(400), C, C, C),
    "401": (answer(401, {"detail": "token"}), A, A, A),
    "403": (answer(403, {"detail": "no"}), H, H, H),
    "404": (answer(404, HTML), H, H, H),
    "405": (answer(405), H, H, H),
    "408": (answer(408), R, C, C),
    "429": (answer(429, b"", 7.0), N, N, N),
    "500": (answer(500, {"detail": "biller"}), R, C, C),
    "501": (answer(501), R, C, C),
    "502": (answer(502, HTML), R, C, C),
    "503": (answer(503, b"", 5.0), R, C, C),
    "504": (answer(504, HTML), R, C, C),
    "524": (answer(524, HTML), R, C, C),
    "599": (answer(599), R, C, C),
    "not connected": (broken(Fault.NOT_CONNECTED), N, N, N),
    "a time-out": (broken(Fault.TIME_OUT), R, C, C),
    "a reset": (broken(Fault.RESET), R, C, C),
    "a short body": (broken(Fault.SHORT_BODY), R, C, C),
    "an endless body": (broken(Fault.TOO_LARGE), R, C, C),
    "no HTTP": (broken(Fault.MALFORMED), R, C, C),
}
UNLISTED = [
    100,
    201,
    202,
    204,
    206,
    226,
    301,
    302,
    307,
    308,
    402,
    406,
    409,
    410,
    413,
    415,
    418,
    422,
    423,
    425,
    451,
    600,
    999,
]


@pytest.mark.parametrize(("outcome", "settle", "refund", "receipt"), CASES.values(), ids=CASES.keys())
def test_what_an_answer_means(
    outcome: HttpAnswer | HttpFault, settle: Meaning, refund: Meaning, receipt: Meaning
) -> None:
    for operation, expected in ((SETTLE, settle), (REFUND, refund), (RECEIPT, receipt)):
        got = read(operation, outcome, DUPLICATE)
        assert (got.meaning, got.listed) == (expected, True), operation


@pytest.mark.parametrize("operation", [SETTLE, REFUND, RECEIPT])
@pytest.mark.parametrize("status", UNLISTED)
def test_a_status_that_nobody_described_is_checked_and_raises_an_alert(status: int, operation: Operation | str) -> None:
    for body in (b"", b"{}", b'{"detail": "x"}', HTML):
        got = read(operation, answer(status, body), DUPLICATE)
        assert (got.meaning, got.listed, got.http_status) == (Meaning.CHECK, False, status)


@given(
    st.integers(100, 999),
    st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["detail", "id", "x"]), inner),
            max_leaves=5,
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_every_answer_has_a_meaning_and_only_documented_ones_are_final(status: int, body: bytes) -> None:
    for operation in (SETTLE, REFUND, RECEIPT):
        got = read(operation, answer(status, body), DUPLICATE)
        assert got.meaning is ANSWERS[operation, got.kind]
        assert (got.meaning is Meaning.SUCCEEDED) <= (status == 200)
        assert (got.meaning is Meaning.REFUSED) <= (status == 400)
        assert got.meaning is not Meaning.RESEND or operation is SETTLE
        assert len(got.detail or "") <= 500


@pytest.mark.parametrize("operation", [SETTLE, REFUND, RECEIPT])
@pytest.mark.parametrize("kind", list(Fault))
def test_only_what_was_never_written_counts_as_not_sent(kind: Fault, operation: Operation | str) -> None:
    assert read(operation, HttpFault(kind, written=False, detail=""), None).meaning is Meaning.NOT_SENT
    assert read(operation, HttpFault(kind, written=True, detail=""), None).meaning is not Meaning.NOT_SENT


def test_a_duplicate_is_kept_as_the_refusal_that_its_check_rests_on() -> None:
    got = read(SETTLE, answer(400, {"detail": "payment_id x already exists"}), DUPLICATE)
    assert (got.meaning, got.refusal) == (Meaning.CHECK, True)


def test_an_empty_pattern_matches_no_refusal() -> None:
    assert read(SETTLE, answer(400, {"detail": "payment_id x already exists"}), None).meaning is Meaning.REFUSED


def test_the_breaker_counts_gateways_and_connections_but_not_a_billers_500() -> None:
    down = {name for name, (outcome, *_) in CASES.items() if read(SETTLE, outcome, None).provider_down}
    assert down == {"502", "503", "504", "not connected", "a time-out", "a reset"}


def test_retry_after_is_kept() -> None:
    assert read(SETTLE, answer(503, b"", 5.0), None).retry_after_s == 5.0
    assert read(SETTLE, answer(429, b"", 7.0), None).retry_after_s == 7.0


def test_the_invoice_in_a_success_is_evidence_and_its_id_is_no_reference_of_the_payment() -> None:
    got = read(SETTLE, answer(200, INVOICE), None)
    assert got.facts["amount_paid"] == "1000.00"
    assert got.facts["status"] == "PARTIALLY_PAID"
    assert got.provider_reference is None


def test_a_receipt_keeps_what_its_owner_needs() -> None:
    got = read(RECEIPT, answer(200, VAT_RECEIPT), None)
    assert got.provider_reference == "31"
    assert got.facts == {
        "id": 31, "lottery": "AA 00000001", "qrdt": "1" * 298, "vat": "9.00", "mail": True, "pdf_url": "u",
    }  # fmt: skip


def test_a_detail_is_cut_and_holds_no_control_characters() -> None:
    got = read(SETTLE, answer(400, {"detail": "a\x00b\r\nc\x1b[31m\ud800" + "я" * 1000}), None)
    assert got.detail is not None
    assert got.detail.startswith("a b c [31m я")
    assert len(got.detail) == 500
    got.detail.encode()
