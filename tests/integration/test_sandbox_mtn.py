"""The sandbox's mtn over real sockets: credentials, payments, bills, faults, and what its ledger says."""

import base64
import json
import urllib.error
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from deploy.local.processes import sandbox_settings
from deploy.sandbox.running import running_sandbox
from tests.support.sandbox import SandboxClient

TIMEOUT_S = 60
FORM = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox"}


class Caller:
    """A client with an API key, or with the headers it is given."""

    def __init__(self, sandbox: SandboxClient) -> None:
        self.sandbox = sandbox
        self.url = f"{sandbox.url}/mtn/v1"
        self.headers = {"X-API-Key": "sandbox"}

    def token(self, form: Any = None, **headers: str) -> requests.Response:
        return requests.post(
            f"{self.url}/oauth/access_token", FORM if form is None else form, headers=headers, timeout=TIMEOUT_S
        )

    def patch(self, body: Any, customer: str = "acc-1", **headers: str) -> requests.Response:
        sent = {"Content-Type": "application/json"} | self.headers | headers
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return requests.patch(f"{self.url}/customerBill/{customer}", data, headers=sent, timeout=TIMEOUT_S)

    def get(self, path: str = "", **query: Any) -> requests.Response:
        asked: dict[str, Any] = {"customerType": 2, "queryType": "paidBill"} | query
        kept = {name: value for name, value in asked.items() if value is not None}
        return requests.get(f"{self.url}/customerBill{path}", kept, headers=self.headers, timeout=TIMEOUT_S)

    def paid(self, customer: str = "acc-1", **query: Any) -> list[dict[str, Any]]:
        """The payments that the answer by id shows."""
        payments: list[dict[str, Any]] = self.get(f"/{customer}", **query).json()["data"]["appliedPayment"]["payment"]
        return payments

    def options(self, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.sandbox.call("POST", "mtn/options", options)
        return answer

    def strike(self, fault: str, operation: str = "settle", **more: Any) -> None:
        self.sandbox.set_faults({"provider": "mtn", "operation": operation, "fault": fault, "count": 1} | more)


def one(reference: str = "ref-1", amount: str = "12.50", **changed: Any) -> dict[str, Any]:
    """A PaymentRef that the sandbox takes, with some fields changed."""
    return {
        "paymentRef": [{"referenceId": reference, "referenceType": "PaymentRef"}],
        "transactionDate": "2026-11-21",
        "paidAmount": {"amount": amount, "unit": "GHS"},
    } | changed


def payment(*payments: dict[str, Any], total: str = "12.50", **changed: Any) -> dict[str, Any]:
    return {
        "idType": "Account Number",
        "id": "acc-1",
        "totalPaidAmount": {"amount": total, "unit": "GHS"},
        "payment": list(payments) or [one()],
    } | changed


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxClient]:
    with running_sandbox() as url:
        yield SandboxClient(url)


@pytest.fixture
def caller(running: SandboxClient) -> Caller:
    running.reset()
    return Caller(running)


# --- credentials


def basic(client: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


@pytest.mark.parametrize("in_body", [True, False])
def test_client_credentials_give_a_token_that_is_let_in(caller: Caller, in_body: bool) -> None:
    only_grant = {"grant_type": "client_credentials"}
    caller.options(token_ttl_s=77)
    answer = caller.token() if in_body else caller.token(only_grant, Authorization=basic("sandbox", "sandbox"))
    assert answer.status_code == 200
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 77)
    assert answer.headers["Cache-Control"] == "no-store"
    caller.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert caller.patch(payment()).status_code == 200
    assert [row["body"] for row in caller.sandbox.requests(operation="token")] == [None]


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        ({**FORM, "client_secret": "x"}, {}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"Authorization": basic("sandbox", "x")}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"Authorization": "Basic %"}, 401, "invalid_client"),
        (FORM, {"Authorization": basic("sandbox", "sandbox")}, 400, "invalid_request"),
        ({**FORM, "grant_type": "password"}, {}, 400, "unsupported_grant_type"),
        ({"client_id": "sandbox"}, {}, 400, "invalid_request"),
        ("grant_type=client_credentials&grant_type=client_credentials", {}, 400, "invalid_request"),
        (json.dumps(FORM), {"Content-Type": "application/json"}, 400, "invalid_request"),
    ],
)
def test_a_wrong_token_request_gets_the_error_code_that_oauth_gives_it(
    caller: Caller, form: Any, headers: dict[str, str], status: int, error: str
) -> None:
    if isinstance(form, str):
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | headers
    answer = caller.token(form, **headers)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


BYTES = {"Authorization": b"Bearer 9999999999.x.\xff"}


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "x"}, {"Authorization": "Bearer 9999999999.x.y"}, BYTES])
def test_without_valid_credentials_there_is_the_documented_401(caller: Caller, headers: dict[str, Any]) -> None:
    caller.headers = headers
    answer = caller.patch(payment())
    assert answer.status_code == 401
    assert answer.json().keys() == {"timestamp", "status", "error", "message", "path"}
    assert answer.json()["status"] == "401"
    assert caller.sandbox.ledger() == []


def test_a_token_ends_and_can_be_revoked_but_an_api_key_stays(caller: Caller) -> None:
    old = caller.token().json()["access_token"]
    caller.sandbox.call("POST", "mtn/revoke", {})
    for dead in (old, caller.options(token_ttl_s=0) and caller.token().json()["access_token"]):
        caller.headers = {"Authorization": f"Bearer {dead}"}
        assert caller.get("/acc-1").status_code == 401
    caller.headers = {"X-API-Key": "sandbox"}
    assert caller.get("/acc-1").status_code == 200
    caller.strike("revoked_token")
    assert [caller.patch(payment()).status_code for _ in range(2)] == [401, 401]


# --- payments


def test_every_valid_payment_is_applied_also_with_the_same_reference(caller: Caller) -> None:
    answers = [caller.patch(payment()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    record = caller.sandbox.by_reference()["ref-1"]["settle"]
    assert (record["applied"], record["requests"], record["amount"]) == (2, 2, "12.50")
    row = caller.sandbox.ledger()[0]
    assert (row["provider"], row["invoice_code"], row["amount"], row["currency"]) == ("mtn", "acc-1", "12.50", "GHS")
    assert len(caller.paid()) == 2


def test_the_answer_to_a_payment_has_its_result_at_the_top(caller: Caller) -> None:
    answer = caller.patch(payment(), transactionId="own-1", countryCode="GHA", targetSystem="CS").json()
    assert (answer["resultCode"], answer["resultDescription"]) == ("0000", "Successfully processed")
    assert answer["transactionId"] not in ("", "own-1")
    assert answer["data"] == {
        "idType": "Account Number",
        "id": "acc-1",
        "paymentRef": [{"referenceId": "ref-1", "referenceType": "PaymentRef"}],
        "amountPaid": {"amount": "12.50", "unit": "GHS"},
        "advancePayment": {"amount": "0", "unit": "GHS"},
    }


def test_what_is_paid_beyond_what_is_due_is_an_advance(caller: Caller) -> None:
    caller.options(amount_due="20.00")
    caller.patch(payment())
    assert caller.patch(payment()).json()["data"]["advancePayment"] == {"amount": "5.00", "unit": "GHS"}
    assert caller.get("/acc-1").json()["data"]["amountDue"] == {"amount": "0", "unit": "GHS"}


def test_a_request_with_several_payments_has_a_ledger_row_for_each(caller: Caller) -> None:
    assert caller.patch(payment(one("a", "1.00"), one("b", "2.5"), total="3.50")).status_code == 200
    assert [(row["reference"], row["amount"]) for row in caller.sandbox.ledger()] == [("a", "1.00"), ("b", "2.5")]


def test_a_reference_may_stand_on_the_payment_itself(caller: Caller) -> None:
    assert caller.patch(payment(one(paymentRef=[], referenceId="own-1"))).status_code == 200
    assert caller.sandbox.by_reference()["own-1"]["settle"]["applied"] == 1
    assert caller.paid()[0]["paymentRef"] == [{"referenceId": "own-1", "referenceType": "PaymentRef"}]


CARD = {"type": "BankCard", "details": {"bankCard": {"brand": "Any"}}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        payment(total="12.51"),
        payment(total="12,50"),
        payment(totalPaidAmount={"amount": 12.5, "unit": "GHS"}),
        payment(totalPaidAmount={"amount": "12.50"}),
        payment(totalPaidAmount={"amount": "12.50", "unit": "UGX"}),
        payment(one(amount="0.00"), total="0.00"),
        payment(one(amount="-12.50"), total="-12.50"),
        payment(one(transactionDate="21-11-2026")),
        payment(one(transactionDate="2026-13-01")),
        payment(one(transactionDate="2026-11-21T00:00:00Z")),
        payment(one(paymentRef=[])),
        payment(one(paymentRef=[{"referenceId": "ref-1"}])),
        payment(one(paymentRef=[{"referenceId": 5, "referenceType": "PaymentRef"}])),
        payment(payment=[]),
        payment(idType=""),
        payment(id=1),
        payment(one(undescribed="x")),
        payment(one(paymentMethod={"type": "Barter"})),
        payment(one(paymentMethod={"type": "Bank", "details": {"bank": {"branchCode": "1"}}})),
    ],
)
def test_a_body_that_is_no_applied_payment_is_the_documented_400(caller: Caller, body: Any) -> None:
    answer = caller.patch(body)
    assert answer.status_code == 400
    assert answer.json()["status"] == "400"
    assert answer.json()["message"]
    assert caller.sandbox.ledger() == []


@pytest.mark.parametrize("name", ["cardNumber", "cvv"])
def test_card_numbers_are_refused_and_not_repeated(caller: Caller, name: str) -> None:
    good = payment(one(paymentMethod=CARD))
    assert caller.patch(good).status_code == 200
    bad = payment(one(paymentMethod={"type": "BankCard", "details": {"bankCard": {name: "000111"}}}))
    answer = caller.patch(bad)
    assert (answer.status_code, name in answer.text, "000111" in answer.text) == (400, True, False)
    assert len(caller.sandbox.ledger()) == 1


def test_headers_are_held_to_the_document(caller: Caller) -> None:
    for wrong in ({"countryCode": "gh"}, {"targetSystem": "Other"}, {"Content-Type": "text/plain"}):
        assert caller.patch(payment(), **wrong).status_code == 400
    assert caller.sandbox.ledger() == []


def test_a_customer_pays_in_one_unit(caller: Caller) -> None:
    caller.patch(payment())
    other = payment(one(paidAmount={"amount": "5", "unit": "UGX"}), totalPaidAmount={"amount": "5", "unit": "UGX"})
    assert caller.patch(other).status_code == 400
    assert caller.patch(other, "acc-2").status_code == 200
    assert len(caller.sandbox.ledger()) == 2


def test_a_missing_customer_is_404_and_a_wrong_method_405_in_the_documented_body(caller: Caller) -> None:
    answers = [caller.patch(payment(), "missing-1"), caller.get("/missing-1"), caller.get(customerId="missing-1")]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert "missing-1" in answers[0].json()["message"]
    wrong = requests.put(f"{caller.url}/customerBill/acc-1", b"", headers=caller.headers, timeout=TIMEOUT_S)
    assert (wrong.status_code, wrong.json()["status"]) == (405, "405")
    assert caller.sandbox.ledger() == []


# --- bills


def test_the_list_and_the_answer_by_id_differ_as_documented(caller: Caller) -> None:
    caller.patch(payment(one(paymentMethod=CARD, billNumber="B-7")))
    listed, by_id = caller.get(customerId="acc-1").json(), caller.get("/acc-1").json()
    assert listed.keys() == by_id.keys() == {"result", "data"}
    assert listed["result"]["resultCode"] == by_id["result"]["resultCode"] == "0000"
    [bill] = listed["data"]
    assert (bill["billNo"], bill["appliedPayment"]) == ("B-7", by_id["data"]["appliedPayment"])
    applied = bill["appliedPayment"]
    assert (applied["idType"], applied["id"]) == ("Account Number", "acc-1")
    assert applied["totalPaidAmount"] == {"amount": "12.50", "unit": "GHS"}
    [shown] = applied["payment"]
    assert "referenceId" not in shown
    assert shown["paymentRef"] == [{"referenceId": "ref-1", "referenceType": "PaymentRef"}]
    assert (shown["transactionDate"], shown["paymentMethod"]) == ("2026-11-21", CARD)


def test_each_query_type_shows_what_its_description_says(caller: Caller) -> None:
    caller.patch(payment())
    unpaid, paid, complete = (
        set(caller.get("/acc-1", queryType=name).json()["data"]) for name in ("unpaidBill", "paidBill", "completeBill")
    )
    assert {"amountDueDetail", "relatedParty", "billCycle"} <= unpaid
    assert paid - unpaid == {"appliedPayment"}
    assert complete - paid == {"billingAccount", "financialAccount", "taxItem", "billDocument"}
    cycle = caller.get("/acc-1", billingFlag="010").json()["data"]["billCycle"][0]
    assert cycle["creditLimit"][0]["creditLimit"] == "5000.00"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("", {}),
        ("", {"customerId": "acc-1", "customerType": None}),
        ("", {"customerId": "acc-1", "queryType": None}),
        ("", {"customerId": "acc-1", "limit": "-1"}),
        ("/acc-1", {"customerType": "4"}),
        ("/acc-1", {"queryType": "allBills"}),
        ("/acc-1", {"startDate": "21-11-2026"}),
        ("/acc-1", {"endDate": "2026-02-30"}),
        ("/acc-1", {"billingFlag": "2"}),
        ("/acc-1", {"limit": "5"}),
    ],
)
def test_a_query_that_is_not_as_described_is_400(caller: Caller, path: str, query: dict[str, Any]) -> None:
    assert caller.get(path, **query).status_code == 400


def test_the_list_has_a_resource_a_bill_and_is_read_in_parts(caller: Caller) -> None:
    caller.options(payments_a_bill=2)
    for number in range(5):
        caller.patch(payment(one(f"r-{number}")))
    caller.patch(payment(one("named", billNumber="B-7")))
    whole = caller.get(customerId="acc-1").json()["data"]
    assert [bill["billNo"] for bill in whole] == ["BILL-1", "BILL-2", "BILL-3", "B-7"]
    assert [len(bill["appliedPayment"]["payment"]) for bill in whole] == [2, 2, 1, 1]
    assert caller.get(customerId="acc-1", offset=1, limit=2).json()["data"] == whole[1:3]
    assert caller.get(customerId="acc-1", offset=9).json()["data"] == []
    assert len(caller.paid()) == 6


def test_payments_are_filtered_by_date_and_by_customer_type(caller: Caller) -> None:
    for day in ("2026-11-19", "2026-11-20", "2026-11-21"):
        caller.patch(payment(one(day, transactionDate=day)))
    assert len(caller.paid(startDate="2026-11-20")) == 2
    assert len(caller.paid(startDate="2026-11-20", endDate="2026-11-20")) == 1
    assert caller.paid(customerType=1) == []
    caller.patch(payment(idType="Wallet"))  # of no level that the document names: listed under all
    assert len(caller.paid(customerType=1)) == 1


def test_references_of_later_payments_can_be_lost_or_mangled(caller: Caller) -> None:
    for kept in ("keep", "drop", "mangle"):
        caller.options(references=kept)
        caller.patch(payment())
    shown = [[reference["referenceId"] for reference in row["paymentRef"]] for row in caller.paid()]
    assert shown == [["ref-1"], [], ["REF-"]]
    assert caller.sandbox.by_reference()["ref-1"]["settle"]["applied"] == 3
    caller.options(reference_form="own")
    assert [row.get("referenceId") for row in caller.paid()] == ["ref-1", None, "REF-"]
    assert not any("paymentRef" in row for row in caller.paid())


def test_a_list_in_part_leaves_the_newer_half_and_the_whole_total(caller: Caller) -> None:
    caller.options(list="part")
    for number in range(3):
        caller.patch(payment(one(f"r-{number}")))
        assert len(caller.paid()) == (number + 1) // 2
    assert caller.paid()[0]["paymentRef"][0]["referenceId"] == "r-2"
    assert caller.get("/acc-1").json()["data"]["appliedPayment"]["totalPaidAmount"]["amount"] == "37.50"


def test_somebody_else_can_pay(caller: Caller) -> None:
    body = {"id": "acc-1", "customer_type": 2, "amount": "7.00", "unit": "GHS", "reference": "x", "date": "2026-11-01"}
    caller.sandbox.call("POST", "mtn/pay", body)
    caller.sandbox.call("POST", "mtn/pay", {"id": "acc-1", "amount": "8.00"})
    first, second = caller.paid()
    assert (first["paymentRef"][0]["referenceId"], first["transactionDate"]) == ("x", "2026-11-01")
    assert (second["paymentRef"], second["paidAmount"]) == ([], {"amount": "8.00", "unit": "GHS"})
    assert caller.sandbox.ledger() == []
    for wrong in ({"id": "missing-1", "amount": "1"}, {"id": "acc-1", "amount": "1", "unit": "UGX"}, {"id": "acc-1"}):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            caller.sandbox.call("POST", "mtn/pay", wrong)


# --- faults


def test_an_undocumented_no_is_200_with_another_result_code_and_applies_nothing(caller: Caller) -> None:
    caller.strike("refuse")
    answer = caller.patch(payment())
    assert (answer.status_code, answer.json()["resultCode"]) == (200, "1001")
    assert caller.sandbox.ledger() == []
    assert caller.patch(payment()).json()["resultCode"] == "0000"


@pytest.mark.parametrize(
    ("fault", "status", "applied"),
    [
        ("error_500_before", 500, 0),
        ("error_500_after", 500, 1),
        ("error_401", 401, 0),
        ("error_403", 403, 0),
        ("error_404", 404, 0),
        ("error_429", 429, 0),
        ("refuse_400", 400, 0),
        ("duplicate_400", 400, 0),
    ],
)
def test_faults_speak_the_documented_error(caller: Caller, fault: str, status: int, applied: int) -> None:
    caller.strike(fault)
    answer = caller.patch(payment())
    assert (answer.status_code, answer.json()["status"]) == (status, str(status))
    assert answer.json()["message"]
    assert len(caller.sandbox.ledger()) == applied


def test_faults_strike_tokens_and_bills(caller: Caller) -> None:
    asks: tuple[tuple[str, Callable[[], requests.Response]], ...] = (
        ("token", caller.token),
        ("bills", lambda: caller.get(customerId="acc-1")),
        ("bill", lambda: caller.get("/acc-1")),
    )
    for operation, ask in asks:
        caller.strike("error_502", operation)
        assert [ask().status_code for _ in range(2)] == [502, 200]


def test_the_product_is_pointed_at_it_with_credentials_that_it_takes(caller: Caller) -> None:
    found = {name.partition("__")[2]: value for name, value in sandbox_settings("mtn", caller.sandbox.url).items()}
    assert found.pop("BASE_URL") == caller.url
    assert found.pop("COUNTRY_CODE") == "GHA"
    form = {"grant_type": "client_credentials"} | {name.lower(): value for name, value in found.items()}
    assert caller.token(form).status_code == 200
