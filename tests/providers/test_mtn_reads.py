"""mtn's look-ups: what is asked for, and both forms of every answer."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.providers.base import LookupFailed
from tests.support.mtn import KEY, Seen, bill, error, listed, mtn, paid, reply, token
from tests.support.raw_server import answer

BILLS = {"customerType": 2, "customerId": "700001", "queryType": "completeBill"}
BILL = {"id": "700001", "customerType": 2, "queryType": "paidBill"}
OK = {"resultCode": "0000", "resultDescription": "done", "transactionId": "T-1"}


def ask(name: str, given: dict[str, Any], answered: bytes, **settings: Any) -> tuple[Any, list[Seen]]:
    with mtn({"read": answered}, **settings) as (connected, fake, _):
        return connected.lookups[name].call(**given), fake.asked("GET")


@pytest.mark.parametrize("name", ["bills", "bill"])
@pytest.mark.parametrize("document", [OK | {"data": [bill(paid())]}, {"result": OK, "data": [bill(paid())]},
                                      OK | {"data": bill(paid())}, {"result": OK, "data": bill(paid())}])  # fmt: skip
def test_every_form_of_an_answer_is_given_in_one(name: str, document: dict[str, Any]) -> None:
    """Traps: the list requires its result at the top and defines it under `result`; data is an array there and an
    object by id."""
    found, _ = ask(name, BILLS if name == "bills" else BILL, reply(document))
    assert found == OK | {"data": [bill(paid())] if name == "bills" else bill(paid())}


def test_every_documented_parameter_and_header_is_sent() -> None:
    filters = {
        "billingFlag": "011", "startDate": "2026-10-01", "endDate": "2026-10-31", "billingCycleId": "7", "custom": "x",
    }  # fmt: skip
    headers: dict[str, Any] = {"country_code": "ZAF", "target_system": "DCBS"}
    for name, given in (("bills", BILLS | filters | {"offset": 0, "limit": 10}), ("bill", BILL | filters)):
        _, (seen,) = ask(name, dict(given), listed(), **headers)
        parts = urlsplit(seen.target)
        expected = {key: [str(value)] for key, value in given.items() if key != "id"}
        assert parse_qs(parts.query) == expected
        assert parts.path == ("/v1/customerBill" if name == "bills" else "/v1/customerBill/700001")
        assert (seen.headers["countrycode"], seen.headers["targetsystem"]) == ("ZAF", "DCBS")
        assert seen.headers["transactionid"]


def test_each_lookup_has_a_transaction_id_of_its_own() -> None:
    with mtn({"read": listed()}) as (connected, fake, _):
        for _ in range(2):
            connected.lookups["bill"].call(**BILL)
    assert len({seen.headers["transactionid"] for seen in fake.asked("GET")}) == 2


def test_paging_belongs_to_the_list_alone() -> None:
    with mtn({}) as (connected, _, _server):
        assert {"offset", "limit"} <= connected.lookups["bills"].parameters.keys()
        assert not {"offset", "limit"} & connected.lookups["bill"].parameters.keys()


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("bills", {}, "customerId is missing; customerType is missing; queryType is missing"),
        ("bills", BILLS | {"customerType": 4}, "customerType must be 1 service, 2 account or 3 invoice"),
        ("bills", BILLS | {"queryType": "all"}, "queryType must be unpaidBill, paidBill or completeBill"),
        ("bills", BILLS | {"billingFlag": "2"}, "billingFlag must be"),
        ("bills", BILLS | {"startDate": "01-10-2026"}, "startDate must be"),
        ("bills", BILLS | {"offset": -1}, "offset must be"),
        ("bills", BILLS | {"limit": 0}, "limit must be"),
        ("bills", BILLS | {"id": "1"}, "id is not a parameter"),
        ("bill", BILL | {"limit": 1}, "limit is not a parameter"),
        ("bill", BILL | {"id": ".."}, "id must be"),
        ("bill", BILL | {"id": ""}, "id must be"),
    ],
)
def test_what_the_document_does_not_know_is_not_asked(name: str, given: dict[str, Any], said: str) -> None:
    with mtn({"read": listed()}) as (connected, fake, _):
        with pytest.raises(LookupFailed, match=said):
            connected.lookups[name].call(**given)
        assert fake.seen == []


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        (error(404, "no such customer"), "HTTP 404: no such customer"),
        (answer(404), "HTTP 404$"),
        (error(500), "HTTP 500"),
        (reply(OK | {"resultCode": "7", "resultDescription": "barred"}), "resultCode 7: barred"),
        (reply({"data": []}), "resultCode is not as documented"),
        (answer(200, b"<html>"), "not as documented"),
        (reply(OK | {"data": "x"}), "data is not as documented"),
        (reply(OK | {"data": [7]}), "data is not as documented"),
        (reply(OK | {"data": [bill(), bill()]}), "data is not as documented"),
    ],
)
def test_an_answer_that_is_none_says_so(answered: bytes, said: str) -> None:
    with pytest.raises(LookupFailed, match=said):
        ask("bill", dict(BILL), answered)


def test_nothing_found_is_an_empty_list_or_null() -> None:
    assert ask("bills", dict(BILLS), reply(OK))[0]["data"] == []
    assert ask("bill", dict(BILL), reply(OK | {"data": []}))[0]["data"] is None


def test_sums_are_never_floats() -> None:
    raw = b'{"resultCode": "0000", "data": {"amountDue": {"amount": 0.1000000000000000055, "unit": "ZAR"}}}'
    found, _ = ask("bill", dict(BILL), answer(200, raw))
    assert found["data"]["amountDue"]["amount"] == "0.1000000000000000055"


def test_a_refused_token_is_renewed_once_and_a_refused_key_is_not_tried_again() -> None:
    logins = iter(("first", "second"))

    def door(seen: Any) -> bytes:
        return listed() if seen.headers["authorization"] == "Bearer second" else error(401)

    with mtn({"login": lambda _: token(next(logins)), "read": door}) as (connected, fake, _):
        assert connected.lookups["bill"].call(**BILL)["data"]
    with mtn({"read": error(401)}, **KEY) as (connected, fake, _):
        with pytest.raises(LookupFailed, match="HTTP 401"):
            connected.lookups["bill"].call(**BILL)
        assert len(fake.seen) == 1


def test_the_lookups_only_read() -> None:
    for name, given in (("bills", BILLS), ("bill", BILL)):
        _, seen = ask(name, dict(given), listed())
        assert [(one.method, one.body) for one in seen] == [("GET", b"")]
