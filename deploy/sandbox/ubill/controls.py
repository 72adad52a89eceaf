"""`POST /control/ubill/…`: what the world outside of our payments does, and how ubill behaves."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from deploy.sandbox.ledger import LedgerFull
from deploy.sandbox.ubill.callbacks import Callbacks
from deploy.sandbox.ubill.state import FIRST_MISSING, Options, State, local


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Pay(_Model):
    """at: now where it is not given. The list stays in the order of the ids, whatever `at` says."""

    account_id: int = Field(ge=1, lt=FIRST_MISSING)
    amount: str = Field(pattern=r"^-?[0-9]{1,13}\.[0-9]{2}$")
    comment: str | None = Field("", max_length=255)
    type_id: Literal[1, 2, 5] = 1
    at: AwareDatetime | None = None
    transaction_id: str | None = Field(None, max_length=255)
    pay_system: str | None = Field(None, max_length=255)


class _Books(_Model):
    """The last payment on the account with this comment: changed, or removed."""

    account_id: int = Field(ge=1, lt=FIRST_MISSING)
    comment: str = Field(min_length=1, max_length=255)
    remove: bool = False
    amount: str | None = Field(None, pattern=r"^-?[0-9]{1,13}\.[0-9]{2}$")
    type_id: Literal[1, 2, 5] | None = None
    at: AwareDatetime | None = None


class _Deliver(_Model):
    smsID: int = Field(ge=1)  # noqa: N815 - as the callback writes it
    number: str
    statusID: int = Field(ge=0, le=4)  # noqa: N815


def pay(state: State, callbacks: Callbacks, body: Any) -> Any:
    """Somebody else's payment, transfer or correction: it is listed, the ledger does not know of it."""
    wanted = _Pay.model_validate(body)
    try:
        state.need_room()
        account = state.touch(wanted.account_id)
    except LedgerFull as error:
        raise ValueError("the sandbox holds no more payments; reset it") from error
    payment = state.add(
        account,
        int(wanted.amount.replace(".", "")),
        wanted.comment,
        wanted.type_id,
        time.time() if wanted.at is None else wanted.at.timestamp(),
        transaction_id=wanted.transaction_id,
        pay_system=wanted.pay_system,
    )
    return {"id": str(payment.listed_id)}


def books(state: State, callbacks: Callbacks, body: Any) -> Any:
    """The books are changed: no money moved, the ledger does not know of it."""
    wanted = _Books.model_validate(body)
    rows = state.account(wanted.account_id).payments
    payment = next((row for row in reversed(rows) if row.comment == wanted.comment), None)
    if payment is None:
        raise ValueError(f"account {wanted.account_id} has no payment with this comment")
    changed = replace(
        payment,
        amount=payment.amount if wanted.amount is None else int(wanted.amount.replace(".", "")),
        type_id=wanted.type_id or payment.type_id,
        date=payment.date if wanted.at is None else local(wanted.at.timestamp()),
    )
    state.replace(payment, None if wanted.remove else changed)
    return {"id": str(payment.listed_id)}


def deliver(state: State, callbacks: Callbacks, body: Any) -> Any:
    """The network says what became of a message; with `callback_url` set, ubill tells it on."""
    wanted = _Deliver.model_validate(body)
    message = state.messages[wanted.smsID - 1] if wanted.smsID <= len(state.messages) else None
    if message is None or wanted.number not in message.numbers:
        raise ValueError(f"message {wanted.smsID} was not sent to this number")
    for place, number in enumerate(message.numbers):
        if number == wanted.number:
            message.statuses[place] = wanted.statusID
    options = state.options
    if options.callback_url is not None:
        query = {name: str(value) for name, value in wanted.model_dump().items()}
        callbacks.send(options.callback_url, {"key": options.callback_key, **query, "date": local(time.time())})
    return callbacks.told()


def told(state: State, callbacks: Callbacks, body: Any) -> Any:
    """How the callbacks went."""
    return callbacks.told()


def options(state: State, callbacks: Callbacks, body: Any) -> Any:
    """Change the named options, keep the others. Returns all of them but the keys."""
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object of options")
    state.options = Options.model_validate(state.options.model_dump() | body)
    if "sms_balance" in body:
        state.sms_left = state.options.sms_balance
    return state.options.model_dump(exclude={"keys", "callback_key"})


CONTROLS: Mapping[str, Callable[[State, Callbacks, Any], Any]] = {
    "pay": pay,
    "books": books,
    "deliver": deliver,
    "callbacks": told,
    "options": options,
}
