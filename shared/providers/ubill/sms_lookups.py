"""Text messages for people and programs: sending them, what became of them, brands, what is left to send."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from shared.domain.answers import Answer, Meaning
from shared.providers import answer_meanings
from shared.providers.base import Lookup, LookupFailed
from shared.providers.http import Http
from shared.providers.raw_answers import HttpFault, plain_json
from shared.providers.ubill import sms_wire
from shared.providers.ubill.sms import Sms, get, headers
from shared.providers.ubill.sms_wire import Message
from shared.providers.ubill.wire import message, status_id
from shared.settings.sections import UbillSettings

SEND_DEADLINE_S = 110.0  # the proxy in front of ubill gives up after 100 s: its answer is worth waiting for

_OUTCOMES = {Meaning.SUCCEEDED: "sent", Meaning.REFUSED: "refused", Meaning.NOT_SENT: "not_sent"}
_SEND = {
    "numbers": (str, False, "comma-separated, international, without 00 or +"),
    "text": (str, False, "the text for all of them"),
    "messages": (str, False, 'in place of both: a JSON list of {"number", "text"}'),
    "brand_id": (int, False, "the brand to send under; none: SETTLEPIPE_UBILL__BRAND_ID"),
    "stop_list": (bool, False, "false: also to numbers on the stop list"),
    "otp": (bool, False, "true: a one-time password, with priority; for authentication only"),
    "send_time": (str, False, "later, like 2027-01-31 23:30, in ubill's time zone (UTC_OFFSET_H)"),
}


class _Given(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    number: str
    text: str


_MESSAGES = TypeAdapter(list[_Given])


def entries(http: Http, settings: UbillSettings) -> Mapping[str, Lookup]:
    """Every look-up by name; each `call` returns plain JSON data or raises LookupFailed."""
    with_id = {"sms_id": (str, True, "the message's id")}
    named = {"name": (str, True, "2 to 11 characters")}
    by_id = {"brand_id": (int, True, "the brand's id")}
    return {
        "sms_report": Lookup("what became of a message, per number", with_id, partial(_report, http, settings)),
        "sms_balance": Lookup("how many messages are left", {}, partial(_balance, http, settings)),
        "sms_brand_names": Lookup("the brands to send under", {}, partial(_brands, http, settings)),
        "sms_brand_create": Lookup("ask for a new brand", named, partial(_create, http, settings)),
        "sms_brand_delete": Lookup("delete a brand", by_id, partial(_delete, http, settings)),
        "sms_send": Lookup("send messages, each once", _SEND, partial(_send, http, settings)),
    }


def _report(http: Http, settings: UbillSettings, /, sms_id: str) -> Any:
    if not (sms_id.isascii() and sms_id.isdigit()):
        raise LookupFailed("ubill sms_report: an sms_id is a number")
    found = Sms(settings, http).reports(sms_id)
    return [{"number": row.number, "status": row.status, "means": sms_wire.REPORTED[row.status]} for row in found]


def _balance(http: Http, settings: UbillSettings, /) -> Any:
    document = _said(answer_meanings.document(get(http, settings, "sms_balance", "/sms/balance")), "sms_balance")
    return {"sms": plain_json(document.get("sms"))}


def _brands(http: Http, settings: UbillSettings, /) -> Any:
    document = _said(
        answer_meanings.document(get(http, settings, "sms_brand_names", "/sms/brandNames")), "sms_brand_names"
    )
    rows = document.get("data")
    if not isinstance(rows, list):
        raise LookupFailed("ubill sms_brand_names: the answer is not as documented")
    return plain_json(rows)


def _create(http: Http, settings: UbillSettings, /, name: str) -> Any:
    if not 2 <= len(name) <= 11:
        raise LookupFailed("ubill sms_brand_create: a name has 2 to 11 characters")
    return _write(http, settings, "sms_brand_create", "/sms/brandNameCreate", {"brandName": name})


def _delete(http: Http, settings: UbillSettings, /, brand_id: int) -> Any:
    return _write(http, settings, "sms_brand_delete", "/sms/brandNameDelete", {"brandID": brand_id})


def _write(http: Http, settings: UbillSettings, lookup: str, path: str, fields: Mapping[str, Any]) -> Any:
    """One change, sent once."""
    outcome = http.call("POST", path, headers=headers(settings), body=json.dumps(fields).encode())
    if isinstance(outcome, HttpFault):
        done = "it may have been done: look with sms_brand_names" if outcome.written else "nothing was sent"
        raise LookupFailed(f"ubill {lookup}: no answer ({outcome.kind}); {done}")
    document = answer_meanings.document(outcome)
    if outcome.status != 200 or status_id(document) != 0:
        said = message(document) or "no reason is given"
        raise LookupFailed(f"ubill {lookup}: HTTP {outcome.status}, statusID {status_id(document)}: {said}")
    return {"brand_id": plain_json(document.get("brandID")), "message": message(document)}


def _said(document: Any, lookup: str) -> Mapping[str, Any]:
    if not isinstance(document, dict) or status_id(document) != 0:
        raise LookupFailed(f"ubill {lookup}: {message(document) or 'the answer says no success'}")
    return document


def _send(
    http: Http,
    settings: UbillSettings,
    /,
    *,
    numbers: str | None = None,
    text: str | None = None,
    messages: str | None = None,
    brand_id: int | None = None,
    stop_list: bool | None = None,
    otp: bool | None = None,
    send_time: str | None = None,
) -> Any:
    """One call a batch, never repeated; the first that is not clearly sent or refused ends it."""
    brand = brand_id or settings.brand_id
    if brand is None:
        raise LookupFailed("ubill sms_send: give brand_id, or set SETTLEPIPE_UBILL__BRAND_ID")
    wanted = list(_messages(numbers, text, messages))
    given = {"stopList": stop_list, "otp": otp, "sendTime": _time(send_time, settings.utc_offset_h)}
    options = {name: value for name, value in given.items() if value is not None}
    may, done, stopped = headers(settings), [], False
    for number, batch in enumerate(sms_wire.batches(wanted), 1):
        entry: dict[str, Any] = {"batch": number, "numbers": len(batch), "outcome": "not_tried"}
        if not stopped:
            body = sms_wire.body(brand, batch, options)
            outcome = http.call("POST", sms_wire.SEND, headers=may, body=body, deadline_s=SEND_DEADLINE_S)
            answer = sms_wire.read(outcome)
            entry |= _told(answer)
            stopped = answer.meaning not in (Meaning.SUCCEEDED, Meaning.REFUSED)
        done.append(entry)
    return done


def _told(answer: Answer) -> Mapping[str, Any]:
    outcome = _OUTCOMES.get(answer.meaning, "unknown")
    return {"outcome": outcome, "sms_id": answer.provider_reference, "detail": answer.detail or answer.kind}


def _messages(numbers: str | None, text: str | None, messages: str | None) -> Iterator[Message]:
    if (messages is None) == (numbers is None and text is None):
        raise LookupFailed("ubill sms_send: give numbers and text, or messages")
    for place, found in enumerate(_given(numbers, text, messages), 1):
        if not sms_wire.is_number(found.number):
            raise LookupFailed(
                f"ubill sms_send: number {place} is not international, without 00 or +; nothing was sent"
            )
        if not found.text.strip() or found.text.encode("utf-8", "replace").decode() != found.text:
            raise LookupFailed(f"ubill sms_send: the text for number {place} is empty or not text; nothing was sent")
        yield found


def _given(numbers: str | None, text: str | None, messages: str | None) -> Sequence[Message]:
    if messages is None:
        return [Message(number.strip(), text or "") for number in (numbers or "").split(",")]
    try:
        rows = _MESSAGES.validate_json(messages)
    except ValidationError:
        raise LookupFailed('ubill sms_send: messages must be a JSON list of {"number": "…", "text": "…"}') from None
    if not rows:
        raise LookupFailed("ubill sms_send: messages is empty")
    return [Message(row.number, row.text) for row in rows]


def _time(text: str | None, utc_offset_h: float) -> str | None:
    """A `sendTime` as the document wants it."""
    if text is None:
        return None
    try:
        at = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=timezone(timedelta(hours=utc_offset_h)))
    except ValueError:
        raise LookupFailed("ubill sms_send: send_time is written like 2027-01-31 23:30") from None
    if at <= datetime.now(UTC):
        raise LookupFailed("ubill sms_send: send_time must be in the future")
    return f"{at:%Y-%m-%d %H:%M}"
