"""ubill's look-ups over real sockets: texts as documented, and the document's traps."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from shared.providers.base import LookupFailed
from tests.support.raw_server import answer
from tests.support.ubill import KEY, Route, reply, row, rows, ubill

ACCOUNT = {
    "id": "900001",
    "name": "Made Up",
    "mobile": "995500000000",
    "personalNo": "01000000000",
    "birthDate": "1990-01-02",
    "areaID": "1",
    "area": "made up",
    "address": "",
    "column1": "",
    "column2": "",
    "tariffID": None,
    "tariffName": None,
    "tariffPrice": "30.00",
    "balance": "-9.71",
    "statusID": "2",
    "statusName": "made up",
    "shutdownDate": "2026-07-13",
    "creditDate": None,
    "mac": "00:00:5e:00:53:01",
    "ip": "192.0.2.7",
    "createdAt": "2026-07-01 21:32:31",
}
ACCOUNTS = {"statusID": 0, "message": "Success", "draw": 0, "recordsTotal": 1, "recordsFiltered": 1, "data": [ACCOUNT]}
PLAIN = {name: value for name, value in ACCOUNTS.items() if name != "statusID"}
FOUND = {"statusID": 0, "message": "Success", "data": [{"any": "thing", "balance": "1.00"}]}

HANG: Route = lambda c: c.hang()  # noqa: E731


def look(name: str, path: str, route: Route, /, **given: Any) -> Any:
    with ubill({path: route}, total_timeout_s=0.5 if route is HANG else 5) as (connected, fake, _):
        answered = connected.lookups[name].call(**given)
        assert [asked.partition(" ")[2] for asked in fake.asked] == [f"/v1{path}"]
        assert fake.keys == [KEY]
    json.dumps(answered)  # plain JSON data
    return answered


@pytest.mark.parametrize(
    ("name", "path", "given"),
    [
        ("accounts", "/accounts", {}),
        ("account", "/accounts/900001", {"id": 900001}),
        ("customer_accounts", "/customers/accounts/800001", {"id": 800001}),
    ],
)
def test_accounts_come_with_all_their_fields_as_documented(name: str, path: str, given: dict[str, Any]) -> None:
    assert look(name, path, reply(ACCOUNTS), **given) == PLAIN


@pytest.mark.parametrize(
    ("name", "path", "given"),
    [
        ("accounts_search", "/accounts/search?type=mobile&value=995500000000", {"type": "mobile"}),
        ("customers", "/customers", None),
        ("customer", "/customers/800001", {"id": 800001}),
        ("customers_search", "/customers/search?type=mobile&value=995500000000", {"type": "mobile"}),
    ],
)
def test_an_answer_that_the_document_does_not_show_is_passed_on(name: str, path: str, given: Any) -> None:
    value = {"value": "995500000000"} if "search" in name else {}
    assert look(name, path, reply(FOUND), **{**(given or {}), **value}) == FOUND


def test_an_accounts_payments_keep_their_texts() -> None:
    """Trap: accountID null, sums like "1", float noise in the balance: passed on as they come."""
    given = [row("k3x9", "1"), row(None, "-10", typeID="2")]
    answered = look("account_payments", "/payments/account/900001", rows(*given), id=900001)
    assert answered == {"message": "Success", "data": given}


def test_the_list_of_all_payments_says_status_true_in_place_of_statusid() -> None:
    given = [row("k3x9", "1.00", accountID="900001")]
    document = {"status": True, "draw": 0, "recordsTotal": 1, "recordsFiltered": 1, "data": given}
    assert look("payments", "/payments", reply(document))["data"] == given
    with pytest.raises(LookupFailed):
        look("payments", "/payments", reply({**document, "status": False}))
    with pytest.raises(LookupFailed):
        look("account_payments", "/payments/account/900001", reply(document), id=900001)


def test_sums_that_come_as_numbers_become_texts_without_a_float() -> None:
    body = b'{"statusID": 0, "data": [{"id": 7, "sum": 123456789012345.67, "balance": 0.10}]}'
    answered = look("account_payments", "/payments/account/900001", answer(200, body), id=900001)
    assert answered["data"] == [{"id": "7", "sum": "123456789012345.67", "balance": "0.10"}]


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (reply({"statusID": 99, "message": "made-up reason"}), "made-up reason"),
        (reply({"statusID": "0", "data": []}), "no success"),
        (reply({"data": []}), "no success"),
        (reply({"statusID": 0}), "data is not as documented"),
        (reply({"statusID": 0, "data": [{"name": ["made up"]}]}), "name is not as documented"),
        (answer(200, b"<html>"), "no success"),
        (answer(200), "no success"),
        (answer(401), "HTTP 401"),
        (answer(500), "HTTP 500"),
        (answer(200, b"x" * 200_000), "MAX_BODY_BYTES"),
        (HANG, "time_out"),
    ],
)
def test_a_look_up_without_a_usable_answer_fails_with_its_reason(route: Route, said: str) -> None:
    with pytest.raises(LookupFailed, match=said):
        look("accounts", "/accounts", route)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("account", {}), ("account", {"id": 0}), ("account", {"id": "900001/../x"}), ("account", {"id": True}),
        ("accounts", {"id": 900001}), ("accounts_search", {"type": "mobile"}),
        ("set_credit", {"accountID": 900001}), ("set_credit", {"accountID": 900001, "date": "2027-02-30"}),
        ("set_credit", {"accountID": 900001, "date": "20270201"}),
        ("set_credit", {"accountID": -1, "date": "2027-02-01"}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_and_not_sent(name: str, given: dict[str, Any]) -> None:
    with ubill({}) as (connected, fake, _):
        with pytest.raises(LookupFailed, match=f"ubill {name}"):
            connected.lookups[name].call(**given)
        assert fake.asked == []


def test_without_a_key_nothing_is_asked() -> None:
    with ubill({}, api_key=SecretStr("")) as (connected, fake, _):
        with pytest.raises(LookupFailed, match="SETTLEPIPE_UBILL__API_KEY"):
            connected.lookups["accounts"].call()
        assert fake.asked == []


def test_a_credit_is_set_by_one_post() -> None:
    with ubill({"/accounts/setCredit": reply({"statusID": 0, "message": "Success"})}) as (connected, fake, server):
        answered = connected.lookups["set_credit"].call(accountID=900001, date="2027-02-01")
    assert answered == {"statusID": 0, "message": "Success"}
    assert fake.asked == ["POST /v1/accounts/setCredit"]
    assert server.bodies() == [b'{"accountID":900001,"date":"2027-02-01"}']


@pytest.mark.parametrize("route", [lambda c: c.reset(), HANG, answer(500), answer(200), reply({"status": True})])
def test_a_credit_is_never_sent_twice_and_a_person_is_told_where_to_look(route: Route) -> None:
    with ubill({"/accounts/setCredit": route}, total_timeout_s=0.5 if route is HANG else 5) as (connected, fake, _):
        with pytest.raises(LookupFailed, match="creditDate"):
            connected.lookups["set_credit"].call(accountID=900001, date="2027-02-01")
        assert fake.asked == ["POST /v1/accounts/setCredit"]
