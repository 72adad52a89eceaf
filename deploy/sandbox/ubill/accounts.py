"""Accounts and their customers: made up from the id, the same in every run."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from urllib.parse import parse_qsl

from deploy.sandbox.ubill.state import FIRST_MISSING, Account, Refused, State
from deploy.sandbox.wire import Reply, Seen, as_json

MAX_ROWS = 10_000  # in one answer


def account_id_of(value: Any) -> int:
    """Of a body: a whole number, as in the document's examples. Raises Refused."""
    if type(value) is not int:
        raise Refused(10, "Account not found")
    return value


def id_in_path(seen: Seen) -> int:
    """Raises Refused."""
    written = seen.path.rpartition("/")[2]
    if not written.isascii() or not written.isdigit() or len(written) > 10:
        raise Refused(10, "Account not found")
    return int(written)


def account(state: State, seen: Seen) -> Reply:
    row = _account_row(state.account(id_in_path(seen)))
    return as_json({"statusID": 0, "message": "Success", "data": [row]})


def accounts(state: State, seen: Seen) -> Reply:
    """Those that something happened to, the highest id first; at most MAX_ROWS of them."""
    return _table(map(_account_row, _newest(state)), len(state.accounts))


def accounts_search(state: State, seen: Seen) -> Reply:
    found = _found(state, seen)
    return _table(map(_account_row, found), len(found))


def customers(state: State, seen: Seen) -> Reply:
    """A customer for each account, with its id. The document shows no customer: our reading."""
    return _table(map(_customer_row, _newest(state)), len(state.accounts))


def customer(state: State, seen: Seen) -> Reply:
    row = _customer_row(state.account(id_in_path(seen)))
    return as_json({"statusID": 0, "message": "Success", "data": [row]})


def customers_search(state: State, seen: Seen) -> Reply:
    found = _found(state, seen)
    return _table(map(_customer_row, found), len(found))


def customer_accounts(state: State, seen: Seen) -> Reply:
    return _table([_account_row(state.account(id_in_path(seen)))], 1)


def set_credit(state: State, seen: Seen) -> Reply:
    data = seen.data or {}
    try:
        day = date.fromisoformat(str(data.get("date"))).isoformat()
    except ValueError as error:
        raise Refused(20, "Invalid date") from error
    if day != data.get("date"):  # fromisoformat reads other forms too
        raise Refused(20, "Invalid date")
    state.touch(account_id_of(data.get("accountID"))).credit_date = day
    return as_json({"statusID": 0, "message": "Success"})


def _newest(state: State) -> Iterable[Account]:
    return [state.accounts[number] for number in sorted(state.accounts, reverse=True)[:MAX_ROWS]]


def _found(state: State, seen: Seen) -> list[Account]:
    """`type=mobile` alone is documented. A mobile number ends with its account's id in seven digits."""
    query = dict(parse_qsl(seen.query))
    if query.get("type") != "mobile":
        raise Refused(20, "Invalid type")
    value = query.get("value", "").removeprefix("995")
    if len(value) != 9 or not value.startswith("50") or not value.isascii() or not value.isdigit():
        return []
    return [state.account(int(value[2:]))] if 0 < int(value[2:]) < FIRST_MISSING else []


def _table(rows: Iterable[dict[str, Any]], count: int) -> Reply:
    head = {"statusID": 0, "message": "Success", "draw": 0, "recordsTotal": count, "recordsFiltered": count}
    return as_json(head | {"data": list(rows)})


def _customer_row(account: Account) -> dict[str, Any]:
    return {
        "id": str(account.id),
        "name": f"აბონენტი {account.id}",
        "mobile": f"50{account.id % 10_000_000:07d}",
        "personalNo": f"{account.id:011d}",
        "birthDate": "1990-01-01",
    }


def _account_row(account: Account) -> dict[str, Any]:
    return _customer_row(account) | {
        "areaID": "1",
        "area": "ქუთაისი - ქუთაისი",
        "address": "",
        "column1": "",
        "column2": "",
        "tariffID": "1",
        "tariffName": "sandbox",
        "tariffPrice": "30.00",
        "balance": f"{account.balance:.2f}",
        "statusID": "1",
        "statusName": "აქტიური",
        "shutdownDate": None,
        "creditDate": account.credit_date,
        "mac": None,
        "ip": None,
        "createdAt": "2026-01-01 10:00:00",
    }
