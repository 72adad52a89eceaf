"""The sandbox's books changed behind everybody's back, as tests of the comparison need it."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.sandbox.running import running_sandbox
from tests.support.sandbox import SandboxClient


@pytest.fixture
def sandbox() -> Iterator[SandboxClient]:
    with running_sandbox() as url:
        yield SandboxClient(url)


def test_an_invoice_says_another_amount_and_status(sandbox: SandboxClient) -> None:
    def change(**fields: Any) -> tuple[str, str]:
        row = sandbox.call("POST", "billcenter/books", {"invoice_code": "inv-1", **fields})
        return row["amount_paid"], row["status"]

    sandbox.call("POST", "billcenter/pay", {"invoice_code": "inv-1", "amount": "10.00"})
    assert change(amount_paid="3.50") == ("3.50", "PARTIALLY_PAID")
    assert change(status="PENDING") == ("3.50", "PENDING")
    assert change(amount_paid="0.00", status=None) == ("0.00", "PENDING")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        sandbox.call("POST", "billcenter/books", {"invoice_code": "inv-2", "amount_paid": "1.00"})


def test_payments_on_an_account_are_changed_and_removed(sandbox: SandboxClient) -> None:
    for number, comment in enumerate(["one", "two", "two"]):
        body = {"account_id": 7, "amount": f"{number}.25", "comment": comment}
        sandbox.call("POST", "ubill/pay", body)
    change = {"account_id": 7, "comment": "two"}
    sandbox.call("POST", "ubill/books", change | {"amount": "9.99", "type_id": 2, "at": "2026-01-02T00:00:00Z"})
    assert _rows(sandbox) == [("0.25", "one", "1"), ("1.25", "two", "1"), ("9.99", "two", "2")]
    sandbox.call("POST", "ubill/books", change | {"remove": True})
    sandbox.call("POST", "ubill/books", change | {"remove": True})
    assert _rows(sandbox) == [("0.25", "one", "1")]
    sandbox.call("POST", "ubill/pay", {"account_id": 7, "amount": "4.00", "comment": "new"})
    assert [row["id"] for row in _listed(sandbox)] == ["4", "1"], "an id is never given twice"
    with pytest.raises(urllib.error.HTTPError, match="400"):
        sandbox.call("POST", "ubill/books", change)


def test_a_customers_payments_are_changed_and_removed(sandbox: SandboxClient) -> None:
    paid = {"id": "123", "reference": "made-up", "date": "2026-01-01"}
    for amount in ("5.00", "6.00"):
        sandbox.call("POST", "mtn/pay", paid | {"amount": amount})
    sandbox.call("POST", "mtn/books", {"id": "123", "reference": "made-up", "amount": "7.00", "date": "2026-01-02"})
    assert _applied(sandbox) == [("5.00", "2026-01-01"), ("7.00", "2026-01-02")]
    sandbox.call("POST", "mtn/books", {"id": "123", "reference": "made-up", "remove": True})
    assert _applied(sandbox) == [("5.00", "2026-01-01")]
    with pytest.raises(urllib.error.HTTPError, match="400"):
        sandbox.call("POST", "mtn/books", {"id": "123", "reference": "another"})


def _get(url: str, headers: dict[str, str]) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def _listed(sandbox: SandboxClient) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _get(f"{sandbox.ubill_url}/payments", {"key": "sandbox"})["data"]
    return rows


def _rows(sandbox: SandboxClient) -> list[tuple[str, str, str]]:
    found = _get(f"{sandbox.ubill_url}/payments/account/7", {"key": "sandbox"})["data"]
    oldest_first = [(row["sum"], row["comment"], row["typeID"]) for row in reversed(_listed(sandbox))]
    assert [(row["sum"], row["comment"], row["typeID"]) for row in found] == oldest_first, "both lists say the same"
    return oldest_first


def _applied(sandbox: SandboxClient) -> list[tuple[str, str]]:
    url = f"{sandbox.url}/mtn/v1/customerBill/123?customerType=2&queryType=paidBill"
    bill = _get(url, {"X-API-Key": "sandbox"})["data"]
    applied = bill["appliedPayment"]
    found = [(row["paidAmount"]["amount"], row["transactionDate"]) for row in applied["payment"]]
    assert applied["totalPaidAmount"]["amount"] == f"{sum(float(amount) for amount, _ in found):.2f}"
    return found
