"""`POST /control/mtn/…`: what others pay, and how mtn behaves."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from deploy.sandbox.ledger import LedgerFull
from deploy.sandbox.mtn.applied import Amount, Day, Reference, Refused, Text, Unit
from deploy.sandbox.mtn.state import ID_TYPES, Missing, Options, Row, State


class _Pay(BaseModel):
    """date: today (UTC) where none is given. reference: none is listed where none is given."""

    model_config = ConfigDict(extra="forbid")

    id: Text
    customer_type: Literal[1, 2, 3] = 2
    amount: Amount
    unit: Unit | None = None
    reference: Text | None = None
    date: Day | None = None


class _Books(BaseModel):
    """The customer's last payment with this reference: changed, or removed."""

    model_config = ConfigDict(extra="forbid")

    id: Text
    reference: Text
    remove: bool = False
    amount: Amount | None = None
    date: Day | None = None


def books(state: State, body: Any) -> Any:
    """The books are changed: no money moved, the ledger does not know of it."""
    wanted = _Books.model_validate(body)
    rows = state.customers.get(wanted.id, [])
    found = [row for row in rows if any(one.get("referenceId") == wanted.reference for one in row.references)]
    if not found:
        raise ValueError(f"customer {wanted.id} has no payment with this reference")
    row = found[-1]
    amount = row.amount if wanted.amount is None else Decimal(wanted.amount)
    state.replace(wanted.id, row, None if wanted.remove else replace(row, amount=amount, day=wanted.date or row.day))
    return {"id": f"MTN{row.id:010d}"}


def pay(state: State, body: Any) -> Any:
    """Somebody else pays: it is listed, the ledger does not know of it."""
    wanted = _Pay.model_validate(body)
    unit = wanted.unit or state.unit_of(wanted.id)
    references = []
    if wanted.reference is not None:
        references.append(Reference.model_validate({"referenceId": wanted.reference, "referenceType": "PaymentRef"}))
    row = Row(
        level=wanted.customer_type,
        id_type=ID_TYPES[wanted.customer_type],
        day=wanted.date or datetime.now(UTC).date().isoformat(),
        amount=Decimal(wanted.amount),
        unit=unit,
        references=state.kept(references),
    )
    try:
        state.check(wanted.id, unit, 1)
    except LedgerFull as full:
        raise ValueError("no room for more payments; POST /control/reset") from full
    except (Missing, Refused) as refusal:
        raise ValueError(str(refusal)) from refusal
    row = state.add(wanted.id, row)
    return {"id": f"MTN{row.id:010d}"}


def options(state: State, body: Any) -> Any:
    """Change the named options, keep the others. Returns all of them."""
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object of options")
    state.options = Options.model_validate(state.options.model_dump() | body)
    return state.options.model_dump(exclude={"clients"})


CONTROLS: Mapping[str, Callable[[State, Any], Any]] = {"pay": pay, "books": books, "options": options}
