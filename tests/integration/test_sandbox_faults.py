"""Each of the sandbox's faults as it looks on the wire, and what the ledger says about it."""

import json
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from deploy.sandbox.effects import BIG_BODY_BYTES, EFFECTS
from deploy.sandbox.faults import KINDS
from deploy.sandbox.running import running_sandbox
from tests.support.bank import SETTLE, Bank, payment, read_to_end, until
from tests.support.sandbox import SandboxClient

NOT_APPLIED = {
    "error_500_before": 500,
    "error_502": 502,
    "error_503": 503,
    "error_429": 429,
    "error_401": 401,
    "error_403": 403,
    "error_404": 404,
    "revoked_token": 401,
    "refuse": 400,
    "refuse_400": 400,
    "refuse_400_without_detail": 400,
    "duplicate_400": 400,
    "redirect_302": 302,
}
APPLIED = {
    "error_500_after": 500,
    "error_504_after": 504,
    "not_json_200": 200,
    "empty_200": 200,
    "wrong_content_type": 200,
    "slow": 200,
}
# Each of these has a test of its own below.
ON_THE_SOCKET = {
    "hang_before",
    "hang_after",
    "reset_before",
    "reset_after",
    "close_after",
    "truncated_200",
    "big_body",
    "drip",
    "drip_headers",
    "applied_late",
}


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxClient]:
    with running_sandbox() as url:
        yield SandboxClient(url)


@pytest.fixture
def bank(running: SandboxClient) -> Bank:
    running.reset()
    return Bank(running)


def test_every_kind_of_fault_is_described_done_and_tested(bank: Bank) -> None:
    assert set(KINDS) == set(EFFECTS) == set(NOT_APPLIED) | set(APPLIED) | ON_THE_SOCKET
    assert bank.sandbox.call("GET", "faults/kinds") == KINDS


@pytest.mark.parametrize(("fault", "status"), NOT_APPLIED.items())
def test_a_fault_before_is_answered_and_nothing_is_applied(bank: Bank, fault: str, status: int) -> None:
    assert bank.strike(fault).status_code == status
    assert bank.applied() == 0
    bank.log_in()
    assert bank.post(SETTLE, payment()).status_code == 200  # the fault is used up
    log = [(row["fault"], row["status"]) for row in bank.sandbox.requests(reference="p-1")]
    assert log == [(fault, status), (None, 200)]


@pytest.mark.parametrize(("fault", "status"), APPLIED.items())
def test_a_fault_after_is_answered_and_the_payment_is_applied(bank: Bank, fault: str, status: int) -> None:
    assert bank.strike(fault).status_code == status
    assert bank.applied() == 1


def test_answers_are_wrong_in_the_way_that_was_asked_for(bank: Bank) -> None:
    assert bank.strike("error_503", delay_s=7).headers["Retry-After"] == "7"
    assert bank.strike("error_429", delay_s=7).headers["Retry-After"] == "7"
    assert "Retry-After" not in bank.strike("error_429", delay_s=None).headers
    assert bank.strike("refuse").json()["detail"]
    assert bank.strike("refuse_400").json()["detail"]
    assert "detail" not in bank.strike("refuse_400_without_detail").json()
    assert "p-1 already exists" in bank.strike("duplicate_400").json()["detail"]
    assert bank.strike("redirect_302").headers["Location"]
    assert bank.strike("not_json_200").text.startswith("<html>")
    assert bank.strike("empty_200").content == b""
    mistyped = bank.strike("wrong_content_type")
    assert mistyped.headers["Content-Type"] == "text/plain"
    assert mistyped.json()["amount_paid"] == "100.00"


def test_a_revoked_token_stays_dead_and_another_lives(bank: Bank) -> None:
    other = Bank(bank.sandbox)
    assert bank.strike("revoked_token").status_code == 401
    assert bank.post(SETTLE, payment()).status_code == 401
    assert other.post(SETTLE, payment()).status_code == 200


@pytest.mark.parametrize(("fault", "applied"), [("hang_before", 0), ("hang_after", 1)])
def test_a_hang_answers_nothing_until_its_delay_is_over(bank: Bank, fault: str, applied: int) -> None:
    bank.sandbox.set_faults({"fault": fault, "operation": "settle", "delay_s": 1})
    with bank.connect(SETTLE, payment()) as connection:
        until(lambda: len(bank.sandbox.requests(reference="p-1")), 1)
        assert bank.applied() == applied  # while it hangs
        assert read_to_end(connection) == b""
    assert bank.applied() == applied


def test_a_hang_without_a_delay_lasts_until_the_client_goes(bank: Bank) -> None:
    bank.sandbox.set_faults({"fault": "hang_before", "operation": "settle"})
    with bank.connect(SETTLE, payment()) as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert bank.sandbox.call("GET", "")["open"]["billcenter"] == 1
    until(lambda: bank.sandbox.call("GET", "")["open"]["billcenter"], 0)
    bank.sandbox.clear_faults()
    assert bank.post(SETTLE, payment()).status_code == 200


@pytest.mark.parametrize(("fault", "applied"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_is_a_real_one(bank: Bank, fault: str, applied: int) -> None:
    bank.sandbox.set_faults({"fault": fault, "operation": "settle"})
    with pytest.raises(ConnectionResetError):
        bank.raw(SETTLE, payment())
    assert bank.applied() == applied


def test_close_after_ends_the_connection_without_an_answer(bank: Bank) -> None:
    bank.sandbox.set_faults({"fault": "close_after", "operation": "settle"})
    assert bank.raw(SETTLE, payment()) == b""
    assert bank.applied() == 1


def test_a_truncated_answer_is_shorter_than_it_says(bank: Bank) -> None:
    bank.sandbox.set_faults({"fault": "truncated_200", "operation": "settle"})
    head, _, body = bank.raw(SETTLE, payment()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    assert 0 < len(body) < length
    assert bank.applied() == 1


@pytest.mark.parametrize("fault", ["drip", "drip_headers"])
def test_a_dripping_answer_comes_byte_by_byte_and_is_whole_in_the_end(bank: Bank, fault: str) -> None:
    bank.sandbox.set_faults({"fault": fault, "operation": "settle", "delay_s": 0.001})
    pieces = []
    with bank.connect(SETTLE, payment()) as connection:
        while piece := connection.recv(65536):
            pieces.append(piece)
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    assert len(pieces) > 20
    assert pieces[0].startswith(b"HTTP/1.1 200") is (fault == "drip")
    assert head.startswith(b"HTTP/1.1 200")
    assert json.loads(body)["amount_paid"] == "100.00"
    assert bank.applied() == 1


def test_a_big_body_is_as_big_as_it_says(bank: Bank) -> None:
    bank.sandbox.set_faults({"fault": "big_body", "operation": "settle"})
    with bank.connect(SETTLE, payment()) as connection:
        size = 0
        while chunk := connection.recv(1024**2):
            size += len(chunk)
    assert size > BIG_BODY_BYTES
    assert bank.applied() == 1


def test_applied_late_says_500_first(bank: Bank) -> None:
    assert bank.strike("applied_late", delay_s=1).status_code == 500
    assert bank.applied() == 0
    until(lambda: len(bank.sandbox.ledger()), 1)
    assert bank.applied() == 1
    assert bank.post(SETTLE, payment()).status_code == 200
    assert bank.applied() == 1


def test_a_late_payment_does_not_survive_a_reset(bank: Bank) -> None:
    bank.strike("applied_late", delay_s=0.2)
    bank.sandbox.reset()
    bank.strike("slow", delay_s=0.4)
    [entry] = bank.sandbox.ledger()
    assert entry["request_number"] == 1  # the slow one, counted anew


def test_a_request_that_is_under_way_is_not_applied_after_a_reset(bank: Bank) -> None:
    bank.sandbox.set_faults({"fault": "slow", "operation": "settle", "delay_s": 0.5})
    with bank.connect(SETTLE, payment()) as connection:
        until(lambda: len(bank.sandbox.requests(reference="p-1")), 1)
        bank.sandbox.reset()
        assert connection.recv(65536).startswith(b"HTTP/1.1 503")
    assert bank.sandbox.ledger() == []


@pytest.mark.parametrize("how", ["slow", "latency"])
def test_a_provider_that_takes_its_time_goes_on_without_its_client(bank: Bank, how: str) -> None:
    if how == "slow":
        bank.sandbox.set_faults({"fault": "slow", "operation": "settle", "delay_s": 0.2})
    else:
        bank.sandbox.options(latency_s=0.2)
    connection = bank.connect(SETTLE, payment())
    until(lambda: len(bank.sandbox.requests(reference="p-1")), 1)
    connection.close()
    until(lambda: len(bank.sandbox.ledger()), 1)
    assert bank.applied() == 1


def test_a_refusal_is_told_even_when_a_fault_would_come_after(bank: Bank) -> None:
    bank.sandbox.set_faults({"fault": "reset_after"})
    assert bank.post(SETTLE, payment(bank_account="123")).status_code == 400


def test_faults_strike_log_ins_and_reads_too(bank: Bank) -> None:
    bank.sandbox.set_faults(
        {"fault": "error_503", "operation": "token"}, {"fault": "error_502", "operation": "invoices"}
    )
    assert bank.get("invoices").status_code == 502
    log_in = requests.post(f"{bank.sandbox.billcenter_url}/api/token/", b"{}", timeout=10)
    assert log_in.status_code == 503
    assert bank.post(SETTLE, payment()).status_code == 200


def test_the_first_fault_that_strikes_wins_and_counts_run_out(bank: Bank) -> None:
    bank.sandbox.set_faults({"fault": "error_500_before", "count": 2}, {"fault": "error_404", "count": 1})
    assert [bank.post(SETTLE, payment()).status_code for _ in range(4)] == [500, 500, 404, 200]
    assert [fault["struck"] for fault in bank.sandbox.call("GET", "faults")["faults"]] == [2, 1]


def struck(bank: Bank, seed: int, threads: int, order: int) -> set[tuple[str, int]]:
    """Which (payment, n-th request of it) failed, of 60 payments sent three times each."""
    bank.sandbox.reset()
    bank.sandbox.set_faults({"fault": "error_500_after", "operation": "settle", "rate": 0.3, "seed": seed})

    def send(reference: str) -> set[tuple[str, int]]:
        answers = [bank.post(SETTLE, payment(reference)).status_code for _ in range(3)]
        return {(reference, nth) for nth, status in enumerate(answers) if status == 500}

    with ThreadPoolExecutor(threads) as pool:
        references = [f"p-{number}" for number in range(60)][::order]
        return set().union(*pool.map(send, references))


def test_a_seed_chooses_the_same_requests_whatever_their_order(bank: Bank) -> None:
    first = struck(bank, seed=7, threads=1, order=1)
    assert 30 < len(first) < 80  # of 180, at a rate of 0.3
    assert struck(bank, seed=7, threads=8, order=-1) == first
    assert struck(bank, seed=8, threads=1, order=1) != first


def test_two_faults_with_one_seed_choose_differently(bank: Bank) -> None:
    common = {"operation": "settle", "rate": 0.3, "seed": 7}
    bank.sandbox.set_faults({"fault": "error_500_before"} | common, {"fault": "error_404"} | common)
    statuses = [bank.post(SETTLE, payment(f"p-{number}")).status_code for number in range(60)]
    assert set(statuses) == {500, 404, 200}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"fault": "nothing"}, "error_500_before"),
        ({"fault": "slow", "operation": "nothing"}, "settle"),
        ({"fault": "slow", "provider": "nothing"}, "billcenter"),
        ({"fault": "slow", "rate": 1.5}, "rate"),
        ({"fault": "slow", "delay_s": -1}, "delay_s"),
        ({"fault": "slow", "delay_s": float("nan")}, "delay_s"),
        ({"fault": "slow", "count": "many"}, "count"),
        ({"fault": "slow", "unknown": 1}, "unknown"),
        ({}, "fault"),
    ],
)
def test_a_wrong_fault_is_400_and_says_what_is_wrong(bank: Bank, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        bank.sandbox.set_faults(wrong)
    assert refusal.value.code == 400
    assert said in json.load(refusal.value)["detail"]
