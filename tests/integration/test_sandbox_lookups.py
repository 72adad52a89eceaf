"""The sandbox's invoicepayment and bmms over real sockets: a bill inquiry and a catalogue."""

import json
import re
import urllib.error
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from deploy.local.processes import sandbox_settings
from deploy.sandbox.running import running_sandbox
from tests.support.sandbox import SandboxClient

TIMEOUT_S = 60
PRODUCT = "00000000-0000-4000-8000-00000000000a"
ASKED = {"product_oid": PRODUCT, "subscriber_no1": "5000000001", "subscriber_no2": "", "subscriber_no3": ""}


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxClient]:
    with running_sandbox() as url:
        yield SandboxClient(url)


@pytest.fixture
def sandbox(running: SandboxClient) -> SandboxClient:
    running.reset()
    return running


def base_url(sandbox: SandboxClient, provider: str) -> str:
    return sandbox_settings(provider, sandbox.url)[f"SETTLEPIPE_{provider.upper()}__BASE_URL"]


def inquire(sandbox: SandboxClient, body: Any = ASKED) -> requests.Response:
    url = f"{base_url(sandbox, 'invoicepayment')}/v1/InvoicePayment/GetInvoicesByProductAndSubscriber"
    return requests.post(url, json=body, timeout=TIMEOUT_S)


def recipients(sandbox: SandboxClient) -> requests.Response:
    return requests.get(f"{base_url(sandbox, 'bmms')}/services/bmms/api/agent/recipients", timeout=TIMEOUT_S)


# --- invoicepayment


def test_an_inquiry_shows_two_bills_with_the_documents_traps(sandbox: SandboxClient) -> None:
    answer = inquire(sandbox).json()
    assert (answer["status"], answer["code"], answer["message"], len(answer["payload"])) == (0, "100", None, 2)
    for bill in answer["payload"]:
        assert {name: bill[name] for name in ASKED} == ASKED
        assert bill["subscriber_nos"] == "5000000001"
        assert re.fullmatch(r"\d\d/\d{4}", bill["bill_term"])
        assert re.fullmatch(r"\d{8}", bill["invoice_date"])
        assert re.fullmatch(r"\d\d-\d\d-\d{4}", bill["bill_due_date"])
        assert bill["subscriber_name"].endswith(" ")
        assert "*" in bill["subscriber_name"]
        assert bill["partial_payment_allowed"] in ("0", "1")
        assert re.fullmatch(r"\d+\.\d\d", bill["invoice_amount"])
    assert len({bill["inv_payment_transaction_query_oid"] for bill in answer["payload"]}) == 2


@pytest.mark.parametrize("wrong", [{"product_oid": ""}, {"subscriber_no1": 5}, {"subscriber_no1": ""}])
def test_an_inquiry_without_what_is_mandatory_is_refused(sandbox: SandboxClient, wrong: dict[str, Any]) -> None:
    answer = inquire(sandbox, ASKED | wrong)
    assert answer.status_code == 400
    assert answer.json()["payload"] is None
    assert next(iter(wrong)) in answer.json()["message"]


def test_the_other_two_numbers_may_be_left_out(sandbox: SandboxClient) -> None:
    asked = {"product_oid": PRODUCT, "subscriber_no1": "5000000001"}
    assert inquire(sandbox, asked).json()["payload"][0]["subscriber_no2"] == ""


def test_what_is_due_and_how_it_fails_can_be_set(sandbox: SandboxClient) -> None:
    sandbox.call("POST", "invoicepayment/options", {"rows": [{"invoice_amount": "1.00", "bill_no": None}]})
    [bill] = inquire(sandbox).json()["payload"]
    assert (bill["invoice_amount"], bill["bill_no"], bill["bill_term"]) == ("1.00", None, "10/2026")
    sandbox.call("POST", "invoicepayment/options", {"rows": []})
    assert inquire(sandbox).json()["payload"] == []
    failure = {"status": 3, "code": "507", "message": "no such product"}
    sandbox.call("POST", "invoicepayment/options", {"failure": failure})
    assert inquire(sandbox).json() == {**failure, "payload": None}
    sandbox.reset()
    assert len(inquire(sandbox).json()["payload"]) == 2
    assert inquire(sandbox, ASKED | {"subscriber_no1": "missing-1"}).json()["payload"] == []


# --- bmms


def test_the_catalogue_has_three_kinds_of_recipient_in_three_languages(sandbox: SandboxClient) -> None:
    found = recipients(sandbox).json()
    assert set(found) == {"categories", "recipients", "fields", "responseFields"}
    assert [row["type"] for row in found["recipients"]] == ["SIMPLE", "AMOUNT_DICTATOR", "INVOICE"]
    assert all(set(row["titles"]) == {"ru", "uz", "en"} for row in [*found["recipients"], *found["fields"]])
    categories = {row["id"] for row in found["categories"]}
    assert {row["categoryId"] for row in found["recipients"]} == categories
    owners = {row["id"] for row in found["recipients"]}
    assert {row["recipientId"] for row in found["fields"]} == owners
    numbers = [row["id"] for rows in found.values() for row in rows]
    assert len(numbers) == len(set(numbers))


def test_the_fields_show_every_rule_that_the_document_has(sandbox: SandboxClient) -> None:
    fields = recipients(sandbox).json()["fields"]
    assert {row["type"] for row in fields} == {"ACCOUNT", "AMOUNT", "OTHER"}
    assert {row["controlType"] for row in fields} == {"TEXT", "SELECT", "READONLY"}
    assert {row["visibility"] for row in fields} == {"ALL", "HIDDEN"}
    assert {row["optional"] for row in fields} == {row["output"] for row in fields} == {True, False}
    assert any(row["prefixes"] for row in fields)
    assert any(":" in row.get("validation", "") for row in fields)


def test_some_choices_depend_on_another_and_some_have_no_match(sandbox: SandboxClient) -> None:
    fields = {row["name"]: row for row in recipients(sandbox).json()["fields"] if row["recipientId"] == 9001}
    dependent = fields["SERVICE_ID"]
    offered = {choice["value"] for choice in fields[dependent["requireField"]]["values"]}
    wanted = {choice["filterBy"] for choice in dependent["values"]}
    assert offered & wanted == {"71", "72"}
    assert offered - wanted == {"73"}  # a region without services
    assert wanted - offered == {"79"}  # a service without its region
    assert any("," in choice["value"] for choice in dependent["values"])


def test_the_catalogue_can_be_changed_by_row_and_replaced(sandbox: SandboxClient) -> None:
    change = {
        "recipients": [{"id": 9001, "maxAmount": 700}, {"id": 9004, "type": "SIMPLE"}],
        "remove": {"fields": [90_105]},
    }
    before = recipients(sandbox).json()
    sandbox.call("POST", "bmms/catalogue", change)
    after = recipients(sandbox).json()
    by_id = {row["id"]: row for row in after["recipients"]}
    assert (by_id[9001]["maxAmount"], by_id[9001]["minAmount"], by_id[9004]["type"]) == (700, 500, "SIMPLE")
    assert len(after["fields"]) == len(before["fields"]) - 1
    sandbox.call("POST", "bmms/catalogue", {"replace": {"recipients": []}})
    assert recipients(sandbox).json() == {"recipients": []}
    sandbox.reset()
    assert recipients(sandbox).json() == before


@pytest.mark.parametrize("wrong", [{"unknown": []}, {"remove": {"fields": [1]}}, {"fields": [{}]}, {"replace": []}])
def test_a_wrong_change_is_400_and_changes_nothing(sandbox: SandboxClient, wrong: dict[str, Any]) -> None:
    before = recipients(sandbox).json()
    with pytest.raises(urllib.error.HTTPError) as refusal:
        sandbox.call("POST", "bmms/catalogue", {"recipients": [{"id": 9001, "maxAmount": 1}], **wrong})
    assert refusal.value.code == 400
    assert json.load(refusal.value)["detail"]
    assert recipients(sandbox).json() == before


# --- both


@pytest.mark.parametrize(
    ("provider", "operation", "ask"), [("invoicepayment", "invoices", inquire), ("bmms", "recipients", recipients)]
)
def test_faults_strike_them(sandbox: SandboxClient, provider: str, operation: str, ask: Any) -> None:
    common = {"provider": provider, "operation": operation, "count": 1}
    sandbox.set_faults(common | {"fault": "error_502"}, common | {"fault": "refuse"})
    usual = ask(sandbox), ask(sandbox), ask(sandbox)
    assert usual[0].status_code == 502
    assert usual[1].json() != usual[2].json()
    assert usual[2].status_code == 200
