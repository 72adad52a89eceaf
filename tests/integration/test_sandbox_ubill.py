"""The sandbox's ubill over real sockets: what it answers, its quirks, what its ledger says."""

import json
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from deploy.local.processes import sandbox_settings
from deploy.sandbox.running import running_sandbox
from deploy.sandbox.ubill.state import FIRST_MISSING
from tests.support.bank import until
from tests.support.raw_server import answer, answering, raw_server
from tests.support.sandbox import SandboxClient

TIMEOUT_S = 60
ACCOUNT = 4711
KEY = {"key": "sandbox"}


class Caller:
    """A caller with the right key, unless another is given."""

    def __init__(self, sandbox: SandboxClient) -> None:
        self.sandbox = sandbox

    def get(self, path: str, headers: dict[str, str] = KEY, **query: str) -> requests.Response:
        return requests.get(f"{self.sandbox.ubill_url}/{path}", query, headers=headers, timeout=TIMEOUT_S)

    def post(self, path: str, body: Any, headers: dict[str, str] = KEY) -> requests.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return requests.post(f"{self.sandbox.ubill_url}/{path}", data, headers=headers, timeout=TIMEOUT_S)

    def add(self, comment: str = "m1", total: Any = 1, account: Any = ACCOUNT) -> dict[str, Any]:
        body = {"accountID": account, "sum": total, "comment": comment, "paySystem": "WEB"}
        answer: dict[str, Any] = self.post("payments/add", body).json()
        return answer

    def listed(self, account: int = ACCOUNT) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get(f"payments/account/{account}").json()["data"]
        return rows

    def control(self, what: str, **body: Any) -> Any:
        return self.sandbox.call("POST", f"ubill/{what}", body)

    def send(self, **changed: Any) -> dict[str, Any]:
        body = {"brandID": 1, "numbers": [995500000001, "995500000002"], "text": "made up", "stopList": False}
        answer: dict[str, Any] = self.post("sms/send", body | changed).json()
        return answer

    def strike(self, fault: str, operation: str = "settle", **more: Any) -> None:
        self.sandbox.set_faults({"provider": "ubill", "fault": fault, "operation": operation, "count": 1} | more)


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxClient]:
    with running_sandbox() as url:
        yield SandboxClient(url)


@pytest.fixture
def caller(running: SandboxClient) -> Caller:
    running.reset()
    return Caller(running)


# --- the key, the settings


@pytest.mark.parametrize("headers", [{}, {"key": ""}, {"key": "wrong"}, {"Authorization": "Bearer sandbox"}])
def test_every_call_needs_the_key(caller: Caller, headers: dict[str, str]) -> None:
    assert caller.post("payments/add", {"accountID": ACCOUNT, "sum": 1}, headers).status_code == 401
    assert caller.post("sms/send", {}, headers).status_code == 401
    assert caller.get("payments", headers).status_code == 401
    assert caller.sandbox.ledger() == []


def test_the_sms_balance_takes_the_key_in_the_query_as_documented(caller: Caller) -> None:
    assert caller.get("sms/balance", {}, key="sandbox").json() == {"statusID": 0, "sms": 5000}
    assert caller.get("sms/balance", {}, key="wrong").status_code == 401
    assert caller.get("payments", {}, key="sandbox").status_code == 401


def test_keys_can_change_and_be_revoked_until_a_reset(caller: Caller) -> None:
    caller.control("options", keys=["other"])
    assert caller.get("payments").status_code == 401
    assert caller.get("payments", {"key": "other"}).status_code == 200
    caller.control("options", keys=["sandbox"])
    caller.strike("revoked_token", "payments")
    assert [caller.get("payments").status_code for _ in range(2)] == [401, 401]
    caller.sandbox.reset()
    assert caller.get("payments").status_code == 200


def test_the_settings_that_point_a_provider_at_the_sandbox_work(caller: Caller) -> None:
    settings = sandbox_settings("ubill", caller.sandbox.url)
    assert settings["SETTLEPIPE_UBILL__BASE_URL"] == caller.sandbox.ubill_url
    assert settings["SETTLEPIPE_UBILL__BRAND_ID"] == "1"
    assert caller.get("payments", {"key": settings["SETTLEPIPE_UBILL__API_KEY"]}).status_code == 200


# --- adding


def test_the_same_request_is_applied_each_time(caller: Caller) -> None:
    first, second = caller.add(), caller.add()
    assert first["statusID"] == second["statusID"] == 0
    assert isinstance(first["data"]["id"], str)
    assert first["data"]["id"] != second["data"]["id"]
    record = caller.sandbox.by_reference()["m1"]["settle"]
    assert (record["applied"], record["requests"], len(record["sha256"])) == (2, 2, 1)
    entry = caller.sandbox.ledger()[0]
    assert [entry[name] for name in ("provider", "operation", "reference", "invoice_code", "amount", "currency")] == [
        "ubill",
        "settle",
        "m1",
        str(ACCOUNT),
        "1.00",
        "GEL",
    ]


@pytest.mark.parametrize(
    ("written", "amount"),
    [("1", "1.00"), ("0.01", "0.01"), ("10.5", "10.50"), ("9999999999999.99", "9999999999999.99"), ("1e2", "100.00")],
)
def test_a_sum_is_kept_exactly_as_it_was_written(caller: Caller, written: str, amount: str) -> None:
    body = f'{{"accountID": {ACCOUNT}, "sum": {written}, "comment": "m1", "paySystem": "WEB"}}'
    assert caller.post("payments/add", body.encode()).json()["statusID"] == 0
    assert caller.sandbox.ledger()[0]["amount"] == amount


@pytest.mark.parametrize(
    "written", ['"1"', "0", "-1", "1.001", "1.000", "0.30000000000000004", "1e13", "NaN", "true", "null", "[]"]
)
def test_another_sum_is_refused_inside_a_200(caller: Caller, written: str) -> None:
    answer = caller.post("payments/add", f'{{"accountID": {ACCOUNT}, "sum": {written}}}'.encode())
    assert answer.status_code == 200
    assert answer.json()["statusID"] != 0
    assert answer.json()["message"]
    assert caller.sandbox.ledger() == caller.listed() == []


@pytest.mark.parametrize("account", [0, -1, FIRST_MISSING, str(ACCOUNT), 1.5, None, True])
def test_an_account_that_is_missing_or_no_integer_is_refused(caller: Caller, account: Any) -> None:
    assert caller.add(account=account)["statusID"] != 0
    assert caller.sandbox.ledger() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"sum": 1e99999999999999999999}'])
def test_a_body_that_is_no_payment_is_refused(caller: Caller, body: bytes) -> None:
    assert caller.post("payments/add", body).json()["statusID"] == 90


@pytest.mark.parametrize("comment", ["x" * 256, "\ud800", 5, ["m1"]])
def test_a_comment_that_is_no_text_is_refused(caller: Caller, comment: Any) -> None:
    assert caller.add(comment)["statusID"] != 0
    assert caller.sandbox.ledger() == []


# --- the lists


def test_the_two_lists_show_the_same_payments_in_unlike_ways(caller: Caller) -> None:
    added = [caller.add("m1", 1)["data"]["id"], caller.add("m2", 2.5)["data"]["id"]]
    caller.add("m3", 3, account=5)
    by_account = caller.get(f"payments/account/{ACCOUNT}").json()
    everything = caller.get("payments").json()
    assert (by_account["statusID"], by_account["message"]) == (0, "Success")
    assert {name: value for name, value in everything.items() if name != "data"} == {
        "status": True,
        "draw": 0,
        "recordsTotal": 3,
        "recordsFiltered": 3,
    }
    assert [row["comment"] for row in by_account["data"]] == ["m1", "m2"]
    assert [row["comment"] for row in everything["data"]] == ["m3", "m2", "m1"]
    assert [row["id"] for row in by_account["data"]] == added
    assert {row["id"] for row in everything["data"]}.isdisjoint(added)
    assert [row["accountID"] for row in by_account["data"]] == [None, None]
    assert [row["accountID"] for row in everything["data"]] == ["5", str(ACCOUNT), str(ACCOUNT)]
    assert [row["sum"] for row in by_account["data"]] == ["1", "2.5"]
    assert [row["sum"] for row in everything["data"]] == ["3.00", "2.50", "1.00"]
    assert len(by_account["data"][1]["balance"].partition(".")[2]) > 2
    assert len(everything["data"][1]["balance"].partition(".")[2]) == 2
    assert [row["typeID"] for row in by_account["data"] + everything["data"]] == ["1"] * 5
    assert set(by_account["data"][0]) == set(everything["data"][0])


def test_a_date_is_utc_plus_four_and_does_not_say_so(caller: Caller) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    caller.add()
    for row in (caller.listed()[0], caller.get("payments").json()["data"][0]):
        at = datetime.strptime(row["date"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) - timedelta(hours=4)
        assert before <= at <= datetime.now(UTC)


def test_somebody_elses_payment_is_listed_and_not_in_the_ledger(caller: Caller) -> None:
    caller.control("pay", account_id=ACCOUNT, amount="1.00", comment=None, type_id=5, transaction_id="t-9")
    caller.control("pay", account_id=ACCOUNT, amount="-10.50", type_id=2, at="2026-01-02T22:30:00+00:00")
    transfer, correction = caller.listed()
    assert (transfer["typeID"], transfer["comment"], transfer["transactionID"], transfer["admin"]) == (
        "5",
        None,
        "t-9",
        None,
    )
    assert (correction["typeID"], correction["sum"], correction["date"]) == ("2", "-10.5", "2026-01-03 02:30:00")
    assert caller.get("payments").json()["data"][0]["sum"] == "-10.50"
    assert caller.sandbox.ledger() == []


def test_text_comes_back_as_it_was_given(caller: Caller) -> None:
    odd = 'a "quoted" \\ \n %s გადახდა'
    caller.add(odd)
    assert caller.listed()[0]["comment"] == caller.get("payments").json()["data"][0]["comment"] == odd


@pytest.mark.parametrize(
    ("how", "left"), [("keep", "abcdefghijklmno"), ("drop", ""), ("cut", "abcdefghij"), ("mangle", "ABCDEFGHIJ")]
)
@pytest.mark.parametrize("option", ["comments", "comments_listed"])
def test_comments_are_lost_or_mangled_but_not_in_the_ledger(caller: Caller, option: str, how: str, left: str) -> None:
    caller.control("options", **{option: how})
    caller.add("abcdefghijklmno")
    assert [row["comment"] for row in caller.listed()] == [left]
    assert [row["comment"] for row in caller.get("payments").json()["data"]] == [left]
    assert caller.sandbox.ledger()[0]["reference"] == "abcdefghijklmno"


def test_comments_are_lost_from_now_on_or_hidden_in_the_lists(caller: Caller) -> None:
    caller.add("m1")
    caller.control("options", comments="drop")
    caller.add("m2")
    caller.control("options", comments="keep")
    assert [row["comment"] for row in caller.listed()] == ["m1", ""]
    caller.control("options", comments_listed="upper")
    assert [row["comment"] for row in caller.listed()] == ["M1", ""]
    caller.control("options", comments_listed="keep")
    assert [row["comment"] for row in caller.listed()] == ["m1", ""]


def test_a_list_can_lack_its_newest_and_its_oldest_rows(caller: Caller) -> None:
    for number in range(5):
        caller.add(f"m{number}")
    caller.control("options", list="part")
    assert [row["comment"] for row in caller.listed()] == ["m0", "m1", "m2", "m3"]
    caller.control("options", newest_missing=2, oldest_missing=1)
    assert [row["comment"] for row in caller.listed()] == ["m1", "m2"]
    everything = caller.get("payments").json()
    assert [row["comment"] for row in everything["data"]] == ["m2", "m1"]
    assert everything["recordsTotal"] == 5
    caller.control("options", newest_missing=9)
    assert caller.listed() == []
    caller.control("options", list="whole")
    assert len(caller.listed()) == 5


def test_what_was_added_can_be_a_transfer(caller: Caller) -> None:
    caller.control("options", added_type=5)
    caller.add()
    assert caller.listed()[0]["typeID"] == "5"


def test_a_list_of_thousands_is_whole_and_quick(caller: Caller) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(
            lambda n: caller.control("pay", account_id=ACCOUNT, amount="1.00", comment=f"m{n}"), range(3000)
        ):
            pass
    began = time.monotonic()
    rows = caller.listed()
    assert time.monotonic() - began < 10  # some 20 ms; the limit only tells it from a list that is built slowly
    assert Counter(row["comment"] for row in rows) == Counter(f"m{n}" for n in range(3000))
    assert [int(row["id"]) for row in rows] == sorted(int(row["id"]) for row in rows)


# --- accounts and customers


def test_an_account_is_shown_with_its_balance_and_credit(caller: Caller) -> None:
    caller.add(total=100)
    assert caller.post("accounts/setCredit", {"accountID": ACCOUNT, "date": "2027-01-31"}).json() == {
        "statusID": 0,
        "message": "Success",
    }
    [row] = caller.get(f"accounts/{ACCOUNT}").json()["data"]
    assert (row["id"], row["balance"], row["creditDate"]) == (str(ACCOUNT), "95.71", "2027-01-31")
    assert caller.get("accounts").json()["data"] == [row]
    assert caller.get("accounts/search", type="mobile", value=row["mobile"]).json()["data"] == [row]
    assert caller.get("accounts/search", type="mobile", value=f"995{row['mobile']}").json()["recordsTotal"] == 1
    assert caller.get("accounts/search", type="mobile", value="1").json()["data"] == []
    assert caller.get("accounts/search", type="name", value="1").json()["statusID"] != 0
    assert caller.get(f"customers/accounts/{ACCOUNT}").json()["data"] == [row]
    assert caller.get(f"customers/{ACCOUNT}").json()["data"][0]["name"] == row["name"]
    assert caller.get("customers").json()["recordsTotal"] == 1
    assert caller.get("customers/search", type="mobile", value=row["mobile"]).json()["recordsTotal"] == 1


@pytest.mark.parametrize("path", ["accounts", "customers", "customers/accounts", "payments/account"])
@pytest.mark.parametrize("missing", [str(FIRST_MISSING), "0", "x", "9" * 5000])
def test_what_is_missing_is_refused(caller: Caller, path: str, missing: str) -> None:
    answer = caller.get(f"{path}/{missing}")
    assert answer.status_code == 200
    assert answer.json()["statusID"] != 0


@pytest.mark.parametrize("day", ["2027-02-30", "20270131", "", None, 5])
def test_a_credit_needs_a_date(caller: Caller, day: Any) -> None:
    assert caller.post("accounts/setCredit", {"accountID": ACCOUNT, "date": day}).json()["statusID"] != 0


def test_what_is_not_documented_is_404(caller: Caller) -> None:
    assert caller.get("payments/add").status_code == 404
    assert caller.get("nothing").status_code == 404
    assert requests.get(f"{caller.sandbox.url}/ubill/payments", headers=KEY, timeout=TIMEOUT_S).status_code == 404


# --- faults


def test_an_undocumented_no_is_a_200_and_nothing_is_applied(caller: Caller) -> None:
    caller.strike("refuse")
    assert caller.add() == {"statusID": 99, "message": "General error"}
    assert caller.sandbox.ledger() == []
    assert caller.add()["statusID"] == 0


@pytest.mark.parametrize(
    ("fault", "status", "applied"),
    [("error_500_before", 500, 0), ("error_500_after", 500, 1), ("not_json_200", 200, 1), ("error_403", 403, 0)],
)
def test_the_common_faults_strike_here_too(caller: Caller, fault: str, status: int, applied: int) -> None:
    caller.strike(fault)
    assert caller.post("payments/add", {"accountID": ACCOUNT, "sum": 1, "comment": "m1"}).status_code == status
    assert caller.sandbox.by_reference()["m1"]["settle"]["applied"] == applied == len(caller.listed())


def test_a_refusal_inside_a_200_is_told_even_when_a_fault_would_come_after(caller: Caller) -> None:
    caller.strike("error_500_after")
    assert caller.add(total=0)["statusID"] == 20


def test_what_is_applied_late_is_listed_late_and_dated_then(caller: Caller) -> None:
    caller.strike("applied_late", delay_s=1.5)
    assert caller.post("payments/add", {"accountID": ACCOUNT, "sum": 1, "comment": "m1"}).status_code == 500
    assert caller.listed() == []
    caller.control("pay", account_id=5, amount="1.00")
    until(lambda: [row["comment"] for row in caller.listed()], ["m1"])
    assert caller.listed()[0]["date"] > caller.listed(5)[0]["date"]


# --- text messages


def test_a_message_is_sent_each_time_and_stands_in_the_ledger(caller: Caller) -> None:
    assert caller.send() == {"statusID": 0, "smsID": 1, "message": "SMS Sended"}
    texts = [{"number": 995500000003, "text": "one"}, {"number": "995500000003", "text": "two"}]
    assert caller.send(numbers=texts, text=None)["smsID"] == 2
    entries = [(row["operation"], row["reference"], row["amount"], row["currency"]) for row in caller.sandbox.ledger()]
    assert entries == [("sms_send", "1", "2", "SMS"), ("sms_send", "2", "2", "SMS")]
    assert caller.get("sms/balance").json()["sms"] == 4996
    numbers = [row["number"] for row in caller.get("sms/report/1").json()["result"]]
    assert numbers == ["995500000001", "995500000002"]


@pytest.mark.parametrize(
    ("changed", "status_id"),
    [
        ({"brandID": 7}, 10),
        ({"brandID": "1"}, 10),
        ({"numbers": []}, 20),
        ({"numbers": "995500000001"}, 20),
        ({"text": " "}, 30),
        ({"numbers": [{"number": 995500000001}]}, 30),
        ({"numbers": ["00995500000001", "+995500000001", "x", 5, None]}, 50),
        ({"sendTime": "2020-01-01 10:00"}, 60),
        ({"sendTime": "2099-01-01T10:00"}, 60),
        ({"sendTime": "2099-1-1 10:00"}, 60),
    ],
)
def test_a_message_is_refused_with_the_documented_number(caller: Caller, changed: Any, status_id: int) -> None:
    assert caller.send(**changed)["statusID"] == status_id
    assert caller.sandbox.ledger() == []


def test_a_body_that_is_no_json_is_90(caller: Caller) -> None:
    assert caller.post("sms/send", b"{").json()["statusID"] == 90
    assert caller.post("sms/brandNameCreate", b"{").json()["statusID"] == 90
    assert caller.post("sms/brandNameDelete", b"{").json()["statusID"] == 90


def test_a_message_needs_enough_sms_and_valid_numbers_only_count(caller: Caller) -> None:
    caller.control("options", sms_balance=2)
    assert caller.send(numbers=[995500000001, 995500000002, 995500000003])["statusID"] == 40
    assert caller.send(numbers=[995500000001, 995500000002, "x"], sendTime="2099-01-01 10:00")["statusID"] == 0
    assert caller.send(numbers=[995500000001])["statusID"] == 40


def test_the_stop_list_holds_unless_it_is_switched_off(caller: Caller) -> None:
    caller.control("options", stop_list=["995500000001"])
    assert caller.send(numbers=[995500000001], stopList=True)["statusID"] == 50
    assert caller.send(numbers=[995500000001], stopList=False)["statusID"] == 0


def test_a_delivery_changes_the_report_of_that_number(caller: Caller) -> None:
    sms_id = caller.send()["smsID"]
    caller.control("deliver", smsID=sms_id, number="995500000002", statusID=2)
    assert caller.get(f"sms/report/{sms_id}").json() == {
        "statusID": 0,
        "result": [{"number": "995500000001", "statusID": "0"}, {"number": "995500000002", "statusID": "2"}],
    }
    assert caller.get("sms/report/99").json()["statusID"] == 99
    assert caller.get("sms/report/x").json()["statusID"] == 99


def test_a_delivery_is_told_to_the_callback_as_documented(caller: Caller) -> None:
    with raw_server(answering(answer(200, b"OK"))) as receiver:
        caller.control("options", callback_url=f"{receiver.url}/callback", callback_key="made-up-key")
        caller.send()
        caller.control("deliver", smsID=1, number="995500000001", statusID=1)
        until(lambda: caller.control("callbacks")["under_way"], 0)
        [request] = receiver.requests
    method, target, _ = request.split(b"\r\n")[0].decode().split(" ")
    query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
    at = datetime.strptime(query.pop("date"), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) - timedelta(hours=4)
    assert (method, urlsplit(target).path) == ("GET", "/callback")
    assert query == {"key": "made-up-key", "smsID": "1", "number": "995500000001", "statusID": "1"}
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    [told] = caller.control("callbacks")["done"]
    assert (told["smsID"], told["status"], told["answer"], told["error"]) == ("1", 200, "OK", None)
    assert "made-up-key" not in json.dumps(caller.control("callbacks"))


def test_a_callback_that_fails_changes_nothing_and_is_remembered(caller: Caller) -> None:
    with raw_server(lambda connection: connection.reset()) as receiver:
        caller.control("options", callback_url=receiver.url)
        caller.send()
        caller.control("deliver", smsID=1, number="995500000001", statusID=1)
        until(lambda: caller.control("callbacks")["under_way"], 0)
    [told] = caller.control("callbacks")["done"]
    assert told["status"] is None
    assert told["error"]
    assert caller.get("sms/report/1").json()["result"][0]["statusID"] == "1"


def test_a_callback_that_hangs_is_cut_off_by_a_reset(caller: Caller) -> None:
    with raw_server(lambda connection: connection.hang()) as receiver:
        caller.control("options", callback_url=receiver.url)
        caller.send()
        caller.control("deliver", smsID=1, number="995500000001", statusID=1)
        until(lambda: receiver.connections, 1)
        assert caller.get("sms/balance").status_code == 200  # nobody waits for it
        assert caller.control("callbacks")["under_way"] == 1
        caller.sandbox.reset()
        assert caller.control("callbacks") == {"under_way": 0, "done": []}


def test_brand_names_are_created_listed_and_deleted(caller: Caller) -> None:
    def create(name: Any) -> int:
        return int(caller.post("sms/brandNameCreate", {"brandName": name}).json()["statusID"])

    assert [create(name) for name in ("", None, "x", "x" * 12, "no/slash", "sandbox")] == [10, 10, 20, 20, 30, 40]
    answer = caller.post("sms/brandNameCreate", {"brandName": "shop"}).json()
    assert answer == {"statusID": 0, "brandID": 2, "message": "BrandName Created"}
    assert create("other") == 50
    rows = caller.get("sms/brandNames").json()["data"]
    assert [(row["id"], row["name"], row["authorized"]) for row in rows] == [("1", "sandbox", "1"), ("2", "shop", "2")]
    assert caller.send(brandID=2)["statusID"] == 10
    deleted = caller.post("sms/brandNameDelete", {"brandID": 2}).json()
    assert deleted == {"statusID": 0, "brandID": "2", "message": "BrandName Deleted"}
    assert caller.post("sms/brandNameDelete", {"brandID": 2}).json()["statusID"] == 10
    assert create("other") == 0


# --- controls


@pytest.mark.parametrize(
    ("what", "wrong", "said"),
    [
        ("options", {"comments": "burn"}, "comments"),
        ("options", {"callback_url": "ftp://x"}, "callback_url"),
        ("options", {"nothing": 1}, "nothing"),
        ("pay", {"account_id": FIRST_MISSING, "amount": "1.00"}, "account_id"),
        ("pay", {"account_id": 1, "amount": "1"}, "amount"),
        ("pay", {"account_id": 1, "amount": "1.00", "comment": "\ud800"}, "comment"),
        ("pay", {"account_id": 1, "amount": "1.00", "type_id": 3}, "type_id"),
        ("pay", {"account_id": 1, "amount": "1.00", "at": "2026-01-01T00:00:00"}, "at"),
        ("deliver", {"smsID": 1, "number": "995500000001", "statusID": 1}, "was not sent"),
        ("deliver", {"smsID": 1, "number": "995500000001", "statusID": 5}, "statusID"),
    ],
)
def test_a_wrong_control_is_400_and_says_what_is_wrong(caller: Caller, what: str, wrong: Any, said: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        caller.control(what, **wrong)
    assert refusal.value.code == 400
    assert said in json.load(refusal.value)["detail"]


def test_a_reset_forgets_everything(caller: Caller) -> None:
    caller.add()
    caller.send()
    caller.control("options", comments="drop", latency_s=0.01)
    caller.sandbox.reset()
    assert caller.listed() == caller.get("accounts").json()["data"] == []
    assert caller.get("sms/balance").json()["sms"] == 5000
    caller.add("m1")
    assert [row["comment"] for row in caller.listed()] == ["m1"]
