"""The sandbox's Billcenter over real sockets: what it answers, what its ledger says, how the process behaves."""

import base64
import hashlib
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from deploy.local.processes import SANDBOX_CREDENTIALS
from deploy.sandbox.running import running_sandbox
from tests.support.bank import API, RECEIPT, REFUND, SETTLE, TIMEOUT_S, Bank, payment, until
from tests.support.sandbox import SandboxClient


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxClient]:
    with running_sandbox() as url:
        yield SandboxClient(url)


@pytest.fixture
def bank(running: SandboxClient) -> Bank:
    running.reset()
    return Bank(running)


# --- tokens


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def test_a_log_in_gives_documented_tokens_with_the_trap_in_expires_at(bank: Bank) -> None:
    tokens = bank.log_in()
    access, refresh = claims(tokens["access"]), claims(tokens["refresh"])
    assert set(tokens) == {"refresh", "access", "type", "expires_at"}
    assert access["exp"] == pytest.approx(time.time() + 168 * 3600, abs=60)
    assert refresh["exp"] == pytest.approx(time.time() + 30 * 86400, abs=60)
    assert tokens["expires_at"] == str(refresh["exp"])
    assert access["expires_at"] == refresh["exp"]


def test_a_refresh_gives_only_an_access_token_with_the_old_iat(bank: Bank) -> None:
    tokens = bank.log_in()
    url = f"{bank.sandbox.billcenter_url}/api/token/refresh/"
    answer = requests.post(url, json={"refresh": tokens["refresh"]}, timeout=TIMEOUT_S).json()
    assert set(answer) == {"access"}
    assert claims(answer["access"])["iat"] == claims(tokens["refresh"])["iat"]
    bank.token = answer["access"]
    assert bank.get("bank_accounts").status_code == 200
    assert requests.post(url, json={"refresh": tokens["access"]}, timeout=TIMEOUT_S).status_code == 401


@pytest.mark.parametrize("body", [{"username": "sandbox", "password": "x"}, {"username": "x"}, {}, []])
def test_a_wrong_log_in_is_401(bank: Bank, body: Any) -> None:
    answer = requests.post(f"{bank.sandbox.billcenter_url}/api/token/", json=body, timeout=TIMEOUT_S)
    assert answer.status_code == 401
    assert "detail" in answer.json()


def test_every_other_endpoint_needs_a_valid_access_token(bank: Bank) -> None:
    refresh = bank.log_in()["refresh"]
    for token in ("", "x", "a.b.c", refresh, bank.token[:-5] + "xxxxx"):
        bank.token = token
        assert bank.post(SETTLE, payment()).status_code == 401
        assert bank.get("invoices").status_code == 401
    assert bank.applied() == 0


def test_tokens_can_be_short_lived_and_revoked(bank: Bank) -> None:
    bank.sandbox.call("POST", "billcenter/revoke", {})
    assert bank.get("invoices").status_code == 401
    bank.log_in()
    assert bank.get("invoices").status_code == 200
    bank.sandbox.options(token_ttl_s=0)
    bank.log_in()
    assert bank.get("invoices").status_code == 401


def test_a_log_in_leaves_no_password_in_the_request_log(bank: Bank) -> None:
    assert [row["body"] for row in bank.sandbox.requests(operation="token")] == [None]


# --- settle


def test_a_settle_is_applied_once_however_often_it_is_sent(bank: Bank) -> None:
    first = bank.post(SETTLE, payment())
    again = bank.post(SETTLE, payment())
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["amount_paid"] == again.json()["amount_paid"] == "100.00"
    assert first.json()["status"] == "PARTIALLY_PAID"
    assert "deeplink" in first.json()
    digest = hashlib.sha256(payment()).hexdigest()
    record = bank.sandbox.by_reference()["p-1"]["settle"]
    assert record == {"applied": 1, "requests": 2, "sha256": [digest], "amount": "100.00"}
    [entry] = bank.sandbox.ledger()
    assert (entry["invoice_code"], entry["amount"], entry["currency"]) == ("inv-1", "100.00", "MNT")
    assert [row["body"].encode() for row in bank.sandbox.requests(reference="p-1")] == [payment(), payment()]


def test_a_known_payment_id_can_be_refused_with_the_duplicate_pattern(bank: Bank) -> None:
    bank.sandbox.options(duplicate_answer=400)
    bank.post(SETTLE, payment())
    answer = bank.post(SETTLE, payment())
    assert answer.status_code == 400
    assert re.search(SANDBOX_CREDENTIALS["billcenter"]["DUPLICATE_PATTERN"], answer.json()["detail"])
    assert bank.applied() == 1


def test_a_known_payment_id_with_other_bytes_is_refused_and_seen(bank: Bank) -> None:
    bank.post(SETTLE, payment())
    assert bank.post(SETTLE, payment(paid_amount="200.00")).status_code == 400
    assert len(bank.sandbox.by_reference()["p-1"]["settle"]["sha256"]) == 2
    assert bank.paid() == "100.00"


def test_success_can_be_empty(bank: Bank) -> None:
    bank.sandbox.options(success_body="empty")
    answer = bank.post(SETTLE, payment())
    assert (answer.status_code, answer.content) == (200, b"")


def test_an_invoice_that_is_paid_in_full_says_so(bank: Bank) -> None:
    bank.sandbox.options(invoice_amount="100.00")
    assert bank.get("invoices", invoice_code="inv-1").json()["results"][0]["status"] == "PENDING"
    assert bank.post(SETTLE, payment()).json()["status"] == "PAID"


@pytest.mark.parametrize(
    "changed",
    [
        {"bank_account": "123"},
        {"bank_account": "9000010002"},  # the branch of customers whose code starts with 2
        {"bank_code": ""},
        {"paid_amount": "0.00"},
        {"paid_amount": "-1.00"},
        {"paid_amount": "100"},
        {"paid_date": "2026-11-09T03:24:12Z"},
        {"paid_date": "2026-13-09 03:24:12.133606+00"},
        {"payment_invoice_code": "other"},
        {"payment_id": "", "payment_invoice_code": ""},
        {"invoice_code": "missing-1"},
    ],
)
def test_a_settle_that_is_not_valid_is_400_with_a_detail(bank: Bank, changed: dict[str, str]) -> None:
    answer = bank.post(SETTLE, payment(**changed))
    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert bank.sandbox.ledger() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"payment_id": 5}', b"[" * 100_000])
def test_a_body_that_is_no_payment_is_400(bank: Bank, body: bytes) -> None:
    assert bank.post(SETTLE, body).status_code == 400


def test_the_account_must_belong_to_the_invoices_service(bank: Bank) -> None:
    assert bank.post(SETTLE, payment()).status_code == 200
    assert bank.post(SETTLE, payment("p-2", bank_account="9002010001")).status_code == 400
    assert bank.post(SETTLE, payment("p-3", bank_account="9000010005", invoice_code="inv-2")).status_code == 200


# --- refund, receipt, other banks


def test_a_repeated_refund_is_applied_again_and_is_visible(bank: Bank) -> None:
    assert bank.post(REFUND, payment()).status_code == 400
    bank.post(SETTLE, payment())
    bank.post(SETTLE, payment("p-2"))
    assert [bank.post(REFUND, payment()).status_code for _ in range(3)] == [200, 200, 400]
    assert bank.applied("refund") == 2
    assert bank.paid() == "0.00"


def test_a_refund_must_name_the_settles_account_and_can_leave_amount_paid_alone(bank: Bank) -> None:
    bank.sandbox.options(refund_lowers=False)
    bank.post(SETTLE, payment())
    assert bank.post(REFUND, payment(bank_account="9002010001")).status_code == 400
    answer = bank.post(REFUND, payment("own-id"))
    assert (answer.status_code, list(answer.json())) == (200, ["detail"])
    assert bank.paid() == "100.00"


def test_a_receipt_is_issued_for_a_paid_invoice_each_time_it_is_asked_for(bank: Bank) -> None:
    body = payment(noat_register="", email="a@example.com")
    assert bank.post(RECEIPT, body).status_code == 400
    bank.post(SETTLE, payment())
    first, second = bank.post(RECEIPT, body).json(), bank.post(RECEIPT, body).json()
    assert first["lottery"] != second["lottery"]
    assert (first["vat"], first["total_amount"], first["mail"]) == ("9.09", "100.00", True)
    assert first["meta_data"]["pdfUrl"]
    assert bank.applied("receipt") == 2


def test_another_bank_can_pay(bank: Bank) -> None:
    bank.sandbox.call("POST", "billcenter/pay", {"invoice_code": "inv-1", "amount": "5.25"})
    bank.post(SETTLE, payment())
    assert bank.paid() == "105.25"
    assert len(bank.sandbox.ledger()) == 1


# --- lists


def accounts(bank: Bank, **query: Any) -> list[dict[str, Any]]:
    return list(bank.get("bank_accounts", page_size=100, **query).json()["results"])


def test_the_accounts_are_sixty_in_pages_of_ten_without_a_next(bank: Bank) -> None:
    pages = [bank.get("bank_accounts", page=page).json() for page in range(1, 7)]
    assert {page["count"] for page in pages} == {60}
    assert all(set(page) == {"count", "results"} for page in pages)
    assert len({row["id"] for page in pages for row in page["results"]}) == 60
    assert bank.get("bank_accounts", page=7).status_code == 404


def test_services_have_one_nine_two_or_no_accounts(bank: Bank) -> None:
    found = {service: accounts(bank, biller_service__id=service) for service in (140, 1, 57, 99, 999)}
    assert [len(rows) for rows in found.values()] == [1, 9, 2, 0, 0]
    assert [row["khut_type"] for row in found[1]] == list(range(1, 10))
    assert accounts(bank, biller_service__id=1, khut_type=3)[0]["account"] == "9000010003"


def test_accounts_can_be_added_changed_and_closed(bank: Bank) -> None:
    change = {
        "add": [{"biller_service": 99, "account": "555"}],
        "change": [{"account": "9001400001", "to": "777"}],
        "close": ["9002010001"],
    }
    assert bank.sandbox.call("POST", "billcenter/accounts", change)["count"] == 60
    assert [row["account"] for row in accounts(bank, biller_service__id=140)] == ["777"]
    assert [row["account"] for row in accounts(bank, biller_service__id=99)] == ["555"]
    assert accounts(bank, biller_service__id=201) == []
    assert bank.post(SETTLE, payment()).status_code == 400


def test_a_page_can_fail_and_a_row_can_vanish_on_the_way(bank: Bank) -> None:
    bank.sandbox.call("POST", "billcenter/accounts", {"fail_page": 2, "vanish_after_page": 1})
    first = bank.get("bank_accounts", page=1).json()
    assert bank.get("bank_accounts", page=2).status_code == 500
    third = bank.get("bank_accounts", page=3).json()
    assert (first["count"], third["count"]) == (60, 59)


def test_invoices_are_filtered_and_paged(bank: Bank) -> None:
    for number in range(12):
        bank.post(SETTLE, payment(f"p-{number}", invoice_code=f"inv-{number}", bs_customer_code=str(number % 2)))
    assert bank.get("invoices").json()["count"] == 12
    assert len(bank.get("invoices", page=2).json()["results"]) == 2
    assert bank.get("invoices", bs_customer_code="1").json()["count"] == 6
    assert bank.get("invoices", status="PAID").json()["count"] == 0
    assert bank.get("invoices", invoice_code="missing-1").json() == {"count": 0, "results": []}
    newest = bank.get("invoices", ordering="-id", page_size=1).json()["results"]
    assert newest[0]["invoice_code"] == "inv-11"


def test_the_other_look_ups_answer_in_their_documented_shapes(bank: Bank) -> None:
    assert bank.get("biller_categories").json()["count"] == 8
    assert bank.get("biller_services").json()["count"] == 52
    by_id = bank.get("biller_services/140").json()
    assert bank.get(f"biller_services/{by_id['service_code']}").json() == by_id
    assert bank.get("biller_services/5").status_code == 404
    assert bank.get("biller_service_customers").status_code == 400
    [customer] = bank.get("biller_service_customers", category=4, biller_service=140, customer_code="7").json()
    assert (customer["bs_customer_code"], customer["biller_service"]["id"], customer["adderss"]) == ("7", 140, None)
    for name in ("recommendations", "recommendeds"):
        assert len(bank.get(f"biller_service_customers/{name}", register="x").json()) == 1
    bill = bank.get("biller_service_customers/combined_detail_bill", biller_service_id=140, bs_customer_code="7").json()
    assert bill["combained_detail"] == []
    assert bill["invoices"][0]["paid_type"] is None
    assert bank.get("biller_service_customers/single_detail_bill").status_code == 200
    assert bank.get("dashboard", report_name="service_count").json() == {"service_count": 52}
    assert len(bank.post(f"{API}/address_list/?RefID=4", b"").json()) == 3
    found = bank.post(f"{API}/biller_service_customers/by_address/?Toot=7", b"").json()["SearchList"]
    assert isinstance(found[0]["Dun"], float)
    assert bank.get("nothing").status_code == 404


# --- the ledger as a stream, the process


def test_the_ledger_streams_as_lines_and_as_one_value(bank: Bank) -> None:
    with requests.Session() as session:
        for number in range(1203):  # more than two chunks
            session.post(f"{bank.sandbox.url}{SETTLE}", payment(f"p-{number}"), headers=bank.headers, timeout=TIMEOUT_S)
    lines = requests.get(f"{bank.sandbox.url}/control/ledger?format=jsonl", timeout=TIMEOUT_S).text.splitlines()
    assert [json.loads(line) for line in lines] == bank.sandbox.ledger()
    assert [json.loads(line)["reference"] for line in lines] == [f"p-{number}" for number in range(1203)]
    url = f"{bank.sandbox.url}/control/ledger?by=reference&format=jsonl"
    grouped = [json.loads(line) for line in requests.get(url, timeout=TIMEOUT_S).text.splitlines()]
    assert {row["reference"]: row["operations"] for row in grouped} == bank.sandbox.by_reference()


def test_a_request_that_is_too_large_is_413(bank: Bank) -> None:
    assert bank.post(SETTLE, b"x" * (1024**2 + 1)).status_code == 413


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once_even_while_a_request_hangs(number: signal.Signals) -> None:
    process = start("--port", "0")
    try:
        bank = Bank(SandboxClient(ready(process)))
        bank.sandbox.set_faults({"fault": "hang_before", "operation": "settle"})
        with bank.connect(SETTLE, payment()):
            until(lambda: len(bank.sandbox.requests(reference="p-1")), 1)
            process.send_signal(number)
            _, said = process.communicate(timeout=300)
        assert (process.returncode, said) == (0, "")
    finally:
        process.kill()


def test_it_stops_when_its_parent_dies() -> None:
    process = start("--port", "0", "--until-eof")
    try:
        ready(process)
        process.communicate(timeout=300)  # closes its standard input
        assert process.returncode == 0
    finally:
        process.kill()


def test_a_taken_port_is_one_sentence(bank: Bank) -> None:
    process = start("--port", bank.sandbox.url.rpartition(":")[2])
    _, said = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert said.startswith("the sandbox can't listen on 127.0.0.1:")
    assert len(said.splitlines()) == 1


def start(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "deploy.sandbox", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ready(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    killer = threading.Timer(TIMEOUT_S, process.kill)
    killer.start()
    line = process.stderr.readline()
    killer.cancel()
    assert line.startswith("sandbox listens on http://127.0.0.1:")
    return line.split()[-1]
