"""invoicepayment's look-up over a real socket: the documented answer, refusals, and broken ones."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from shared.providers.base import LookupFailed
from shared.providers.registry import connect
from shared.settings import Settings
from tests.support.memory import MemoryTokens
from tests.support.raw_server import answer, answering, raw_server

GIVEN = {"product_oid": "00000000-0000-4000-8000-000000000001", "subscriber_no1": "900000001"}
ROW = {
    "bill_term": "03/2031",
    "subscriber_nos": "900000001",
    "subscriber_no1": "900000001",
    "subscriber_no2": "",
    "subscriber_no3": "",
    "product_oid": GIVEN["product_oid"],
    "expense_amount": "0.00",
    "expense_firm_amount": "1.00",
    "partial_payment_allowed": "0",
    "invoice_date": "20310410",
    "bill_due_date": "10-04-2031",
    "invoice_type": None,
    "inv_payment_transaction_query_oid": "00000000-0000-4000-8000-000000000002",
    "subscriber_name": "AY****YI**** ",
    "bill_no": "90010000000001",
    "invoice_amount": "168.25",
    "payment_order_no": "1",
    "expense_dealer_amount": "0.00",
}


def look_up(
    body: bytes, status: int = 200, *, given: Mapping[str, str] = GIVEN
) -> tuple[list[dict[str, Any]], list[bytes]]:
    with raw_server(answering(answer(status, body))) as server:
        settings = Settings.model_validate(
            {"invoicepayment": {"base_url": server.url}, "http": {"total_timeout_s": 5, "max_body_bytes": 100_000}}
        )
        lookup = connect("invoicepayment", settings, MemoryTokens()).lookups["invoices"]
        found = lookup.call(**given)
        return found, server.requests


def said(**changes: Any) -> bytes:
    return json.dumps({"status": 0, "code": "100", "message": None, "payload": [ROW]} | changes).encode()


def test_the_request_is_the_documented_one_and_holds_no_credential() -> None:
    _, [request] = look_up(said(), given=GIVEN | {"subscriber_no2": "900000002"})
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/InvoicePayment/GetInvoicesByProductAndSubscriber HTTP/1.1\r\n")
    assert b"authorization" not in head.lower()
    assert json.loads(body) == {**GIVEN, "subscriber_no2": "900000002", "subscriber_no3": ""}


def test_bills_come_normalised_in_the_order_of_payment() -> None:
    orders = ["10", "x", "2", None, "1"]
    found, _ = look_up(said(payload=[{**ROW, "payment_order_no": order} for order in orders]))
    assert [row["payment_order_no"] for row in found] == ["1", "2", "10", "x", None]
    assert found[0] == ROW | {
        "bill_term": "2031-03",
        "invoice_date": "2031-04-10",
        "bill_due_date": "2031-04-10",
        "partial_payment_allowed": False,
        "subscriber_name": "AY****YI****",
    }


def test_an_amount_that_comes_as_a_number_is_the_text_that_came() -> None:
    body = said().replace(b'"168.25"', b"168.10").replace(b'"1.00"', b"9007199254740993.01")
    [row], _ = look_up(body)
    assert (row["invoice_amount"], row["expense_firm_amount"]) == ("168.10", "9007199254740993.01")
    json.dumps(row)


def test_the_payload_may_be_an_object_or_a_list_and_may_be_empty() -> None:
    assert look_up(said(payload=ROW))[0] == look_up(said())[0]
    assert look_up(said(payload=[]))[0] == []


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (
            said(status=1, code="203", message="abone\nbulunamadı"),
            200,
            r"abone bulunamadı \(HTTP 200, status 1, code 203",
        ),
        (said(code="101"), 200, "no reason given"),
        (said(code=100), 200, "code 100"),
        (said(status=False), 200, "status False"),
        (said(status="0"), 200, "no reason given"),
        (said(), 201, "HTTP 201"),
        (said(payload=None), 200, "payload is not as documented"),
        (said(payload=["x"]), 200, "payload is not as documented"),
        (said(status=1, message="bakım"), 500, "bakım"),
        (b"<html>", 500, "HTTP 500"),
        (b"<html>", 200, "not a JSON object"),
        (b"", 200, "not a JSON object"),
        (said()[:-9], 200, "not a JSON object"),
        (b"[]", 200, "not a JSON object"),
    ],
)
def test_whatever_is_not_the_documented_success_fails_with_the_providers_reason(
    body: bytes, status: int, reason: str
) -> None:
    with pytest.raises(LookupFailed, match=reason):
        look_up(body, status)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"product_oid": "1"}, "subscriber_no1 is missing"),
        ({"product_oid": "", "subscriber_no1": "1"}, "product_oid is missing"),
        ({**GIVEN, "subscriber_no4": "1"}, "subscriber_no4 is not a parameter"),
    ],
)
def test_a_wrong_lookup_says_what_is_wrong(given: dict[str, str], reason: str) -> None:
    with pytest.raises(LookupFailed, match=reason):
        look_up(said(), given=given)
