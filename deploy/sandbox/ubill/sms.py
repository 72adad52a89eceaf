"""Text messages and their brands, with the `statusID`s that the document gives."""

import re
from typing import Any

from deploy.sandbox.ledger import LedgerFull
from deploy.sandbox.ubill.state import MAX_NUMBERS, Brand, Message, Refused, State, in_future, local
from deploy.sandbox.wire import Reply, Seen, as_json

_NUMBER = re.compile(r"[1-9][0-9]{8,14}", re.ASCII)  # international, without 00 and +
_BRAND_NAME = re.compile(r"[A-Za-z0-9 ._-]*", re.ASCII)  # which markings are unauthorized is not said: our reading


def send(state: State, seen: Seen) -> Reply:
    """One text to many numbers, or a text for each. Each request sends; a number counts as one SMS (our reading)."""
    data = seen.data
    if data is None:
        raise Refused(90, "JSON Error")
    brand = _brand(state, data.get("brandID"))
    if brand is None or brand.authorized != 1:
        raise Refused(10, "brandID not found")
    listed = data.get("numbers")
    if not isinstance(listed, list) or not listed:
        raise Refused(20, "Numbers not found")
    texts = [row.get("text") if isinstance(row, dict) else data.get("text") for row in listed]
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise Refused(30, "Empty message text")
    _check_time(data.get("sendTime"))
    stopped = frozenset(state.options.stop_list if data.get("stopList") is not False else ())
    written = [_digits(row.get("number") if isinstance(row, dict) else row) for row in listed]
    numbers = [number for number in written if number is not None and number not in stopped]
    if not numbers:
        raise Refused(50, "Valid numbers not found")
    if len(numbers) > state.sms_left:
        raise Refused(40, "Not enough SMS")
    return _sent(state, seen, numbers)


def _sent(state: State, seen: Seen, numbers: list[str]) -> Reply:
    if state.numbers + len(numbers) > MAX_NUMBERS:
        raise LedgerFull
    sms_id = len(state.messages) + 1
    state.ledger.apply(
        ("ubill", "sms_send", str(sms_id)), seen, invoice_code="", amount=str(len(numbers)), currency="SMS"
    )
    state.messages.append(Message(numbers, bytearray(len(numbers))))
    state.numbers += len(numbers)
    state.sms_left -= len(numbers)
    return as_json({"statusID": 0, "smsID": sms_id, "message": "SMS Sended"})


def report(state: State, seen: Seen) -> Reply:
    """A `statusID` as text for each number. What an unknown smsID gets is not documented: our reading."""
    written = seen.path.rpartition("/")[2]
    sms_id = int(written) if written.isascii() and written.isdigit() and len(written) <= 10 else 0
    if not 1 <= sms_id <= len(state.messages):
        raise Refused(99, "General error")
    message = state.messages[sms_id - 1]
    rows = [
        {"number": number, "statusID": str(status)}
        for number, status in zip(message.numbers, message.statuses, strict=True)
    ]
    return as_json({"statusID": 0, "result": rows})


def balance(state: State, seen: Seen) -> Reply:
    return as_json({"statusID": 0, "sms": state.sms_left})


def brand_names(state: State, seen: Seen) -> Reply:
    rows = [
        {"id": str(brand.id), "name": brand.name, "authorized": str(brand.authorized), "createdAt": brand.created_at}
        for brand in state.brands.values()
    ]
    return as_json({"statusID": 0, "data": rows})


def create_brand(state: State, seen: Seen) -> Reply:
    """It waits to be authenticated; meanwhile no other can be created, so there are never many."""
    if seen.data is None:
        raise Refused(90, "Json Error")
    name = seen.data.get("brandName")
    if not isinstance(name, str) or not name:
        raise Refused(10, "The brandName field is empty")
    if not 2 <= len(name) <= 11:
        raise Refused(20, "The minimum number of characters in the brandName must be 2 and the maximum number 11")
    if _BRAND_NAME.fullmatch(name) is None:
        raise Refused(30, "Unauthorized markings are used in the brandName")
    if any(brand.name == name for brand in state.brands.values()):
        raise Refused(40, "brandName has already been added")
    if any(brand.authorized != 1 for brand in state.brands.values()):
        raise Refused(50, "Wait for the last added brandName to be authenticated")
    state.last_brand += 1
    state.brands[state.last_brand] = Brand(state.last_brand, name, 2, local(seen.at))
    return as_json({"statusID": 0, "brandID": state.last_brand, "message": "BrandName Created"})


def delete_brand(state: State, seen: Seen) -> Reply:
    if seen.data is None:
        raise Refused(90, "Json Error")
    brand = _brand(state, seen.data.get("brandID"))
    if brand is None:
        raise Refused(10, "BrandName not found")
    del state.brands[brand.id]
    return as_json({"statusID": 0, "brandID": str(brand.id), "message": "BrandName Deleted"})


def _brand(state: State, value: Any) -> Brand | None:
    return state.brands.get(value) if type(value) is int else None


def _digits(value: Any) -> str | None:
    written = str(value) if type(value) in (int, str) else ""
    return written if _NUMBER.fullmatch(written) else None


def _check_time(value: Any) -> None:
    try:
        if value is None or in_future(str(value)):
            return
    except ValueError:
        pass
    raise Refused(60, "Invalid sendTime format. Use Y-m-d H:i")
