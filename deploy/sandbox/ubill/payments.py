"""Adding and listing payments. Both lists keep the quirks that the document shows."""

import json
import time
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from deploy.sandbox.ubill.accounts import account_id_of, id_in_path
from deploy.sandbox.ubill.state import Comments, Payment, Refused, State, mangled
from deploy.sandbox.wire import Reply, Seen, as_json

MAX_TEXT_CHARACTERS = 255
_MAX_SUM = Decimal(10) ** 13
_CURRENCY = "GEL"  # our reading
_TYPES = {1: "დამატება", 2: "კორექტირება", 5: "ჩარიცხვა"}
# There are thousands of rows in an answer: filling a template costs about half of encoding an object.
_ROW = (
    '{"id":"%d","accountID":%s,"balance":"%s","sum":"%s","comment":%s,"transactionID":%s,"paySystem":%s,'
    '"apiStatus":"0","typeID":"%d","typeName":"%s","admin":%s,"date":"%s"}'
)


def comment_of(data: dict[str, Any] | None) -> str:
    """The comment of a payment, as the caller's reference; empty where there is none that can be told."""
    comment = (data or {}).get("comment")
    return comment if isinstance(comment, str) and _is_text(comment) else ""


def settle(state: State, seen: Seen) -> Reply:
    """payments/add. Each one applies, however alike they are: the document knows no duplicates."""
    data = _exact(seen)
    amount = _minor(data.get("sum"))
    for name in ("comment", "paySystem"):
        if data.get(name) is not None and not _is_text(data[name]):
            raise Refused(30, f"Invalid {name}")
    account = state.touch(account_id_of(data.get("accountID")))
    comment = data.get("comment") or ""
    state.need_room()
    state.ledger.apply(
        ("ubill", "settle", comment), seen, invoice_code=str(account.id), amount=_two(amount), currency=_CURRENCY
    )
    kept, kind = mangled(comment, state.options.comments), state.options.added_type
    payment = state.add(account, amount, kept, kind, time.time(), pay_system=data.get("paySystem"))
    return as_json({"statusID": 0, "message": "Success", "data": {"id": str(payment.listed_id)}})


def account_payments(state: State, seen: Seen) -> Reply:
    """Oldest first, `accountID` null, sums without zeros, balances with float noise, ids of their own."""
    account, listed = state.account(id_in_path(seen)), state.options.comments_listed
    rows = ",".join(
        [
            _row(p, listed, (p.listed_id, "null", repr(p.balance), _short(p.amount)))
            for p in _shown(state, account.payments)
        ]
    )
    return Reply(200, f'{{"statusID":0,"message":"Success","data":[{rows}]}}'.encode())


def payments(state: State, seen: Seen) -> Reply:
    """All accounts', newest first, `"status": true` in place of `statusID`; the counts are of all there are."""
    count, listed = len(state.payments), state.options.comments_listed
    rows = ",".join(
        [
            _row(p, listed, (p.number, f'"{p.account_id}"', f"{p.balance:.2f}", _two(p.amount)))
            for p in reversed(_shown(state, state.payments))
        ]
    )
    head = f'{{"status":true,"draw":0,"recordsTotal":{count},"recordsFiltered":{count},"data":['
    return Reply(200, f"{head}{rows}]}}".encode())


def _exact(seen: Seen) -> dict[str, Any]:
    """The body, its numbers as they were written: a float would hide what came over the wire."""
    if seen.data is None:
        raise Refused(90, "Json Error")
    try:
        data: dict[str, Any] = json.loads(seen.body, parse_float=Decimal)
    except ArithmeticError as error:  # an exponent of twenty digits
        raise Refused(90, "Json Error") from error
    return data


def _minor(value: Any) -> int:
    """Minor units of a JSON number above zero that is written with at most two places."""
    if type(value) is int:
        value = Decimal(value)
    if not isinstance(value, Decimal) or not 0 < value < _MAX_SUM or int(value.as_tuple().exponent) < -2:
        raise Refused(20, "Invalid sum")
    return int(value * 100)


def _is_text(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half a character
        return False
    return True


def _shown(state: State, rows: list[Payment]) -> list[Payment]:
    options = state.options
    if options.list == "whole":
        return rows
    return rows[options.oldest_missing : max(0, len(rows) - options.newest_missing)]


def _row(payment: Payment, listed: Comments, start: tuple[int, str, str, str]) -> str:
    """start: what the two lists write in their own ways (id, accountID, balance, sum)."""
    comment = payment.comment
    if comment is not None and listed != "keep":
        comment = mangled(comment, listed)
    return _ROW % (
        *start,
        "null" if comment is None else encode_basestring(comment),
        "null" if payment.transaction_id is None else encode_basestring(payment.transaction_id),
        "null" if payment.pay_system is None else encode_basestring(payment.pay_system),
        payment.type_id,
        _TYPES[payment.type_id],
        "null" if payment.type_id == 5 else '"sandbox"',
        payment.date,
    )


def _two(minor: int) -> str:
    """Like 1.00 and -10.50."""
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


def _short(minor: int) -> str:
    """Like 1 and -10.5."""
    return _two(minor).rstrip("0").rstrip(".")
